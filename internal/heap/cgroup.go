package heap

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// cgroupLimit is the memory, in octets, that the control group of this process may use; 0 if
// there is no limit, or no control group.
func cgroupLimit() uint64 {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	return limitOf(string(groups), func(file string) string {
		content, err := os.ReadFile(file)
		if err != nil {
			return ""
		}
		return string(content)
	})
}

// limitOf finds the limit in the files of the control groups, of which groups is the list in
// the form of /proc/self/cgroup: ID:CONTROLLERS:PATH. A group is also bound by those above it.
// In a container a path may be that of the host, of which only the root is there.
func limitOf(groups string, read func(file string) string) uint64 {
	var limit uint64
	for _, line := range strings.Split(groups, "\n") {
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			// Without a limit version 2 says max, and version 1 a number near the largest.
			n, err := strconv.ParseUint(strings.TrimSpace(read(path.Join(root, at, file))), 10, 63)
			if err == nil && n > 0 && n < 1<<62 && (limit == 0 || n < limit) {
				limit = n
			}
			if at == "/" {
				break
			}
		}
	}
	return limit
}
