// Gentcp_port is an Erlang port program that owns TCP sockets. It speaks the protocol of
// portproto/PROTOCOL.md on stdin and stdout and logs on stderr.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/driver"
	"github.com/gentcp/gentcp/internal/heap"
	"github.com/gentcp/gentcp/portproto"
)

// The exit codes of PROTOCOL.md section 8.
const (
	exitOK = iota
	exitFailure
	exitUsage
	exitHello
	exitStream
	exitNode
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("gentcp_port", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said below, in one line
	flags.Usage = func() {}
	help := func() {
		fmt.Fprintf(stdout, `gentcp_port %s: TCP sockets for an Erlang node, as a port program.

It is started by the Erlang application gentcp, or by anybody with
  open_port({spawn_executable, "gentcp_port"}, [{packet, 4}, binary])
and speaks the protocol of PROTOCOL.md on stdin and stdout.

`, portproto.Program)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
	}
	wrong := func(format string, args ...any) int {
		fmt.Fprintf(stderr, "gentcp_port: "+format+"; see gentcp_port --help\n", args...)
		return exitUsage
	}
	version := flags.Bool("version", false, "print the version and exit")
	level := slog.LevelWarn
	flags.TextVar(&level, "log-level", level, "log `level` on stderr: debug, info, warn or error")
	maxFrame := flags.Int("max-frame", portproto.DefaultMaxFrame, "longest frame accepted on stdin, in `octets`")
	maxSockets := flags.Int("max-sockets", 0, "most sockets open at a time (default: what the open file limit allows)")
	maxQueue := flags.Int("max-queue", 1<<30, "most `octets` of unsent output for a socket")
	busyWait := flags.Duration("busy-wait", 50*time.Microsecond, "look for events this `time` before sleeping, while they come that fast; 0 is not at all")
	var without driver.Without
	flags.Var(&without, "without", "leave out what makes it fast, to see what it brings: `names` with commas between, of "+driver.Techniques())
	profile := profileFlag(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		help()
		return exitOK
	case err != nil:
		return wrong("%v", err)
	case *version:
		fmt.Fprintf(stdout, "gentcp_port %s, protocol %d\n", portproto.Program, portproto.Version)
		return exitOK
	case flags.NArg() > 0:
		return wrong("there are no arguments, only flags: %q", flags.Arg(0))
	case *maxFrame <= 0:
		return wrong("-max-frame %d: must be more than 0", *maxFrame)
	case *maxQueue <= 0:
		return wrong("-max-queue %d: must be more than 0", *maxQueue)
	case *maxSockets < 0:
		return wrong("-max-sockets %d: must not be negative", *maxSockets)
	case *busyWait < 0:
		return wrong("-busy-wait %v: must not be negative", *busyWait)
	case isTerminal(int(os.Stdin.Fd())):
		return wrong("stdin is a terminal, and not the pipe of a node: Erlang starts this program, with open_port")
	}

	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	// A signal that is meant for the node's process group must not take the sockets
	// away from a node that survives it: the end of stdin is what ends this program.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	heap.Govern(0)

	if *maxSockets == 0 {
		*maxSockets = openFileLimit()
	}
	if err := profile(log); err != nil {
		// Another shard may have the address. The sockets matter more.
		log.Error("profiles are not served", "reason", err)
	}
	err := recovered(func() error {
		return driver.Run(driver.Config{
			MaxFrame: *maxFrame, MaxSockets: *maxSockets, MaxQueue: *maxQueue, BusyWait: *busyWait, Log: log,
			Node: driver.ParentNode(), Without: without,
		}, int(os.Stdin.Fd()), int(os.Stdout.Fd()))
	})
	if err != nil {
		log.Error("session ended", "reason", err)
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, driver.ErrHello):
		return exitHello
	case errors.Is(err, driver.ErrStream):
		return exitStream
	case errors.Is(err, driver.ErrNode):
		return exitNode
	}
	return exitFailure
}

// isTerminal reports whether a descriptor is a terminal.
func isTerminal(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return err == nil
}

// recovered makes an error of a panic: the exit code of one that is left to the runtime is
// that of a wrong command line.
func recovered(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}

// reservedFiles are the descriptors that are no sockets: stdio, the poller and the like.
const reservedFiles = 16

// openFileLimit is how many sockets the process may have; the soft limit is raised to the
// hard one.
func openFileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 - reservedFiles
	}
	if limit.Cur < limit.Max {
		raised := limit
		raised.Cur = raised.Max
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			limit = raised
		}
	}
	const most = 1 << 20
	return int(min(uint64(limit.Cur), most)) - reservedFiles
}
