package heap

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercent(t *testing.T) {
	for _, row := range []struct {
		live uint64
		want int
	}{
		{0, 400}, {1 << 20, 400}, {8 << 20, 400}, {16 << 20, 200}, {64 << 20, 50}, {128 << 20, 25}, {8 << 30, 25},
	} {
		assert.Equal(t, row.want, percent(row.live), "%d octets", row.live)
	}
}

func TestLimitOf(t *testing.T) {
	files := map[string]string{
		"/sys/fs/cgroup/memory.max":                                "",
		"/sys/fs/cgroup/system.slice/memory.max":                   "max\n",
		"/sys/fs/cgroup/system.slice/shop.service/memory.max":      "1048576000\n",
		"/sys/fs/cgroup/small/memory.max":                          "5000\n",
		"/sys/fs/cgroup/small/large/memory.max":                    "6000\n",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes":              "9223372036854771712\n",
		"/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes":     "7000\n",
		"/sys/fs/cgroup/memory/unlimited/memory.limit_in_bytes":    "9223372036854771712\n",
		"/sys/fs/cgroup/memory/nonsense/memory.limit_in_bytes":     "many\n",
		"/sys/fs/cgroup/memory/cpu-only/memory.limit_in_bytes":     "1\n",
		"/sys/fs/cgroup/not/a/path/of/this/container/memory.max":   "",
		"/sys/fs/cgroup/memory/zero/memory.limit_in_bytes":         "0\n",
		"/sys/fs/cgroup/memory/docker/memory.limit_in_bytes":       "8000\n",
		"/sys/fs/cgroup/memory/docker/below/memory.limit_in_bytes": "9000\n",
	}
	read := func(file string) string { return files[file] }
	for _, row := range []struct {
		groups string
		want   uint64
	}{
		{"0::/system.slice/shop.service\n", 1048576000},
		{"0::/system.slice\n", 0},
		{"0::/\n", 0},
		{"0::/small/large\n", 5000}, // the group above is tighter
		{"3:cpu,cpuacct:/cpu-only\n2:memory:/docker/1\n", 7000},
		{"2:memory:/docker/below\n", 8000},
		{"2:memory:/unlimited\n", 0},
		{"2:memory:/nonsense\n", 0},
		{"2:memory:/zero\n", 0},
		{"0::/../..\n", 0},
		{"", 0},
		{"what is this", 0},
	} {
		assert.Equal(t, row.want, limitOf(row.groups, read), row.groups)
	}
}

// What peers have made large becomes small when they have gone, although nothing else
// happens: no allocation, and no collection by itself.
func TestGiveBack(t *testing.T) {
	if os.Getenv("HEAP_TEST") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGiveBack$", "-test.v")
		cmd.Env = append(os.Environ(), "HEAP_TEST=1", "GOGC=", "GOMEMLIMIT=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	Govern(0)
	const size = 256 << 20
	var kept [][]byte
	for range size >> 20 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	require.Greater(t, held(), uint64(size))
	require.Less(t, held(), uint64(size)/2*3, "garbage is bounded while the heap is large")
	runtime.KeepAlive(kept)
	kept = nil
	for limit := time.Now().Add(time.Minute); held() > large; time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(limit), "%d octets are kept", held())
	}
}

// What the environment says is not overruled.
func TestEnvironment(t *testing.T) {
	if os.Getenv("HEAP_TEST") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestEnvironment$", "-test.v")
		cmd.Env = append(os.Environ(), "HEAP_TEST=1", "GOGC=77", "GOMEMLIMIT=123456789")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	Govern(1 << 30)
	assert.Equal(t, 77, debug.SetGCPercent(-1))
	assert.Equal(t, int64(123456789), debug.SetMemoryLimit(-1))
}

func TestLimit(t *testing.T) {
	if os.Getenv("HEAP_TEST") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLimit$", "-test.v")
		cmd.Env = append(os.Environ(), "HEAP_TEST=1", "GOGC=", "GOMEMLIMIT=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	Govern(1000 << 20)
	assert.Equal(t, int64(900<<20), debug.SetMemoryLimit(-1))
}
