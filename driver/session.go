package driver

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// Config are the limits of a session. The zero value is ready to use.
type Config struct {
	MaxFrame   int           // octets, default portproto.DefaultMaxFrame
	MaxSockets int           // default: what the process may open
	MaxQueue   int           // octets of output a socket may hold, see sockets.Config
	BusyWait   time.Duration // see sockets.Config
	Log        *slog.Logger
	Node       int // the process at the other end until its hello says which it is, 0: it is not known

	Without Without // what makes it fast and is left out
}

// ErrHello ends a session whose other end speaks another version, or no hello.
var ErrHello = errors.New("driver: no hello of this protocol version")

// ErrStream ends a session whose stdin can no longer be cut into frames.
var ErrStream = errors.New("driver: the stream of frames is broken")

// Session serves one node over a pair of descriptors.
type Session struct {
	cfg   Config
	log   *slog.Logger
	stack *sockets.Stack

	in    commandReader
	out   messageWriter
	run   run
	lines bool // the node parses http packets

	greeted    bool
	sendCredit bool
	otp        int
	nodePID    int

	turn    turn                    // of the present command
	unsure  map[sockets.ID]*answers // sockets with commands that wait for news of answers
	resumed *sockets.Socket         // of which there is news

	lastID    sockets.ID // the latest socket that the node knows of
	waiting   waitingCalls
	freeCalls *call
	present   portproto.Command // that is being carried out; here it costs no allocation
	current   *sockets.Socket   // that it is about
	options   []sockets.Option  // of a setopts, used again
	taken     int               // calls that have been taken on so far
	// sends of all sockets that faults have wait
	delayedSends int
	err          error

	node       *node
	watched    int  // its process id
	goodbye    bool // the node has said that it will end in good order
	isDeserted bool
	ending     bool // stdin has ended
}

// Run serves the commands of stdin until its end, which is no error.
func Run(cfg Config, stdin, stdout int) error {
	if cfg.MaxFrame <= 0 {
		cfg.MaxFrame = portproto.DefaultMaxFrame
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Session{cfg: cfg, log: cfg.Log}
	stack, err := sockets.NewStack(sockets.Config{
		MaxQueue: cfg.MaxQueue, MaxSockets: cfg.MaxSockets, BusyWait: cfg.BusyWait, Log: cfg.Log,
	}, d)
	if err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	d.stack = stack
	d.in = commandReader{d: d, fd: stdin}
	d.out = messageWriter{d: d, fd: stdout}
	if d.err = d.watch(stdin, stdout); d.err == nil {
		d.hello()
		d.watchNode(cfg.Node)
	} else {
		stack.Stop()
	}
	defer func() { d.node.close() }()
	if err := stack.Run(); err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	return d.err
}

// watch begins to wait for the two descriptors.
func (d *Session) watch(stdin, stdout int) error {
	for _, fd := range []int{stdin, stdout} {
		if err := unix.SetNonblock(fd, true); err != nil {
			return fmt.Errorf("driver: make descriptor %d non-blocking: %w", fd, err)
		}
	}
	if !d.cfg.Without.Pipes {
		enlargePipes(stdin, stdout)
	}
	if err := d.stack.WatchPipe(stdin, d.in.ready, func() { d.node.look() }); err != nil {
		return fmt.Errorf("driver: watch stdin, which must be a pipe, a socket or a terminal: %w", err)
	}
	if err := d.stack.WatchWrite(stdout, d.out.ready); err != nil {
		return fmt.Errorf("driver: watch stdout, which must be a pipe, a socket or a terminal: %w", err)
	}
	d.stack.BeforeWait(d.out.flush)
	return nil
}

func (d *Session) hello() {
	h := portproto.Hello{
		Program: portproto.Program, OSPid: os.Getpid(), MaxFrame: d.cfg.MaxFrame, MaxSockets: d.cfg.MaxSockets, Features: features,
	}
	d.out.begin()
	b, err := h.Append(d.out.batch.Buf)
	if err != nil {
		d.stop(fmt.Errorf("driver: say hello: %w", err))
		return
	}
	d.out.buf(b)
	d.out.end()
}

// stop ends the session after what has been gathered is written.
func (d *Session) stop(err error) {
	if d.err == nil {
		d.err = err
	}
	d.out.flush()
	d.stack.Stop()
}
