package driver

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// node watches the process at the other end, to know how it has ended: the end of stdin looks the
// same whether the node has closed the port in good order or was killed.
//
// In good order a node closes the port first and ends after that, be it by init:stop, by halt, which waits
// until all that was written is in the pipe, or because it only stops its application. A process that is killed
// is about to end before the kernel closes its descriptors. So what the node does at the moment when stdin ends
// distinguishes them, if one looks early enough: a thread waits for just that. Of a node that has ended by then the
// kernel may say how (Linux 6.15 and newer).
type node struct {
	pid, pidfd int
	stop       int // closing it ends the watch
	done       chan struct{}

	mu     sync.Mutex
	looked bool // at what the node does while stdin ends
	runs   bool // it ran
}

// outcome is how a node has ended.
type outcome uint8

const (
	unknown outcome = iota
	orderly
	killed
)

// watchNode watches a process, and stdin for its end. exited is called, on another goroutine, when the process has
// ended. nil: it cannot be watched.
func watchNode(pid, stdin int, exited func()) *node {
	if pid <= 0 {
		return nil
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	var stop [2]int
	if err := unix.Pipe2(stop[:], unix.O_CLOEXEC); err != nil {
		_ = unix.Close(pidfd)
		return nil
	}
	n := &node{pid: pid, pidfd: pidfd, stop: stop[1], done: make(chan struct{})}
	go n.watch(stdin, stop[0], exited)
	return n
}

func (n *node) watch(stdin, stop int, exited func()) {
	defer func() {
		_ = unix.Close(stop)
		close(n.done)
	}()
	fds := []unix.PollFd{{Fd: int32(n.pidfd), Events: unix.POLLIN}, {Fd: int32(stop)}, {Fd: int32(stdin)}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[1].Revents != 0 {
			return
		}
		if len(fds) > 2 && fds[2].Revents != 0 {
			n.look()
			fds = fds[:2]
		}
		if fds[0].Revents != 0 {
			n.look()
			exited()
			return
		}
	}
}

// close ends the watch.
func (n *node) close() {
	if n == nil {
		return
	}
	_ = unix.Close(n.stop)
	<-n.done
	_ = unix.Close(n.pidfd)
}

// look notes once whether the node runs.
func (n *node) look() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.looked {
		n.looked, n.runs = true, running(n.pid) && !readable(n.pidfd)
	}
}

// outcome reports how the node has ended, after stdin has.
func (n *node) outcome() outcome {
	if n == nil {
		return orderly // nothing says otherwise
	}
	n.look()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.runs {
		return orderly
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(n.pidfd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return unknown // also as long as its parent has not asked
	}
	if status := unix.WaitStatus(uint32(info.Exit_code)); status.Exited() && status.ExitStatus() != crashed {
		return orderly
	}
	return killed
}

// crashed is the status of a BEAM that has written a crash dump and flushed nothing.
const crashed = 1

// exiting is PF_EXITING of the flags in proc(5): set before a process closes its descriptors.
const exiting = 0x4

// running reports whether a process runs and is not about to end.
func running(pid int) bool {
	state, _, flags, ok := processStat(pid)
	return ok && state != "Z" && state != "X" && flags&exiting == 0
}

// processStat reads /proc/PID/stat.
func processStat(pid int) (state string, parent int, flags uint64, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", 0, 0, false
	}
	// The name before may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 7 {
		return "", 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return "", 0, 0, false
	}
	flags, err = strconv.ParseUint(fields[6], 10, 64)
	return fields[0], parent, flags, err == nil
}

func readable(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, _ := unix.Poll(fds, 0)
	return n > 0
}

// ParentNode is the process that has started this one. The BEAM has a helper start its port programs: then it is the
// BEAM.
func ParentNode() int {
	parent := os.Getppid()
	name, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/comm")
	if err == nil && strings.TrimSpace(string(name)) == "erl_child_setup" {
		if _, beam, _, ok := processStat(parent); ok {
			return beam
		}
	}
	return parent
}
