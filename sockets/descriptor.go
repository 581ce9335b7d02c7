package sockets

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/internal/iovec"
)

// descriptor is the one seam between a socket and the system: all calls on a socket's
// descriptor are made here. They go to the kernel, or to a System that is attached to this
// one socket; nothing else in the package knows which.
type descriptor struct {
	fd       int    // -1: none any longer
	attached System // nil, but for the sockets that somebody has attached one to
	kernel   *kernel
	// letGo: the socket has let go of the descriptor, and what is attached has not closed it yet.
	letGo bool
	local bool
	// endsShort: a short read does not mean that nothing is left. It is so before urgent data, and
	// once the end of the stream is to be read, which the poller reports only once.
	endsShort bool
}

func newDescriptor(fd int, f Family) descriptor { return descriptor{fd: fd, local: f == Local} }

// open reports whether the socket has its descriptor.
func (d *descriptor) open() bool { return d.fd >= 0 && !d.letGo }

// read reads into p. n is 0 without an error at the end of the stream. drained: nothing is left
// to read, and what comes next makes a new event.
func (d *descriptor) read(p []byte) (n int, drained bool, err error) {
	if d.attached != nil {
		return d.attached.Read(p)
	}
	if d.local {
		var more bool
		n, more, err = readMessages(d.fd, p)
		return n, n < len(p) && !more && !d.endsShort, err
	}
	n, err = unix.Read(d.fd, p)
	n = max(n, 0)
	return n, n < len(p) && !d.endsShort, err
}

// write writes several pieces, iovec.Max at most. more: others follow at once.
func (d *descriptor) write(pieces [][]byte, more bool) (int, error) {
	if d.attached != nil {
		return d.attached.Write(append([][]byte(nil), pieces...), more)
	}
	if len(pieces) > 1 {
		return iovec.Write(d.fd, pieces)
	}
	if more {
		return writeMore(d.fd, pieces[0])
	}
	n, err := unix.Write(d.fd, pieces[0])
	return max(n, 0), err
}

// sendFile sends n octets of the file open as from.
func (d *descriptor) sendFile(from int, offset int64, n int) (int, error) {
	if d.attached == nil {
		sent, err := sendFile(d.fd, from, offset, n)
		if err != unix.EINVAL && err != unix.ENOSYS {
			return max(sent, 0), err
		}
	}
	// For files and systems without sendfile(2), and for a System that wants to see the octets.
	buf := make([]byte, min(n, 64<<10))
	got, err := unix.Pread(from, buf, offset)
	if err != nil || got == 0 {
		return 0, err
	}
	return d.write([][]byte{buf[:got]}, false)
}

// moves reports whether octets may be moved within the kernel: not past a System that wants to
// see them.
func (d *descriptor) moves() bool { return d.attached == nil }

// available is the octets that can be read without waiting.
func (d *descriptor) available() int {
	if d.attached != nil {
		return d.attached.Available()
	}
	return available(d.fd)
}

func (d *descriptor) bind(to Addr) error {
	if d.attached != nil {
		return d.attached.Bind(to)
	}
	sa, err := to.sockaddr(to.Family)
	if err != nil {
		return err
	}
	return unix.Bind(d.fd, sa)
}

func (d *descriptor) listen(backlog int) error {
	if d.attached != nil {
		return d.attached.Listen(backlog)
	}
	return unix.Listen(d.fd, backlog)
}

func (d *descriptor) accept() (fd int, err error) {
	if d.attached != nil {
		return d.attached.Accept()
	}
	return acceptDescriptor(d.fd)
}

// connect is nil if the connection is there at once, EINPROGRESS if it will be.
func (d *descriptor) connect(to Addr) error {
	if d.attached != nil {
		return d.attached.Connect(to)
	}
	sa, err := to.sockaddr(to.Family)
	if err != nil {
		return err
	}
	return unix.Connect(d.fd, sa)
}

// connected is how a connect has ended: EAGAIN if it has not.
func (d *descriptor) connected() error {
	if d.attached != nil {
		return d.attached.Connected()
	}
	code, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code != 0 {
		return unix.Errno(code)
	}
	if _, err := unix.Getpeername(d.fd); err == unix.ENOTCONN {
		return unix.EAGAIN // an event of before the attempt
	}
	return nil
}

func (d *descriptor) shutdown(how int) error {
	if d.attached != nil {
		return d.attached.Shutdown(how)
	}
	return unix.Shutdown(d.fd, how)
}

// close closes the descriptor at once: the poller must not watch it any longer.
func (d *descriptor) close() {
	_ = unix.Close(d.fd)
	d.fd = -1
}

func (d *descriptor) peername() (Addr, error) { return d.name(unix.Getpeername) }
func (d *descriptor) sockname() (Addr, error) { return d.name(unix.Getsockname) }

func (d *descriptor) name(get func(int) (unix.Sockaddr, error)) (Addr, error) {
	sa, err := get(d.fd)
	if err != nil {
		return Addr{}, err
	}
	return addrOf(sa), nil
}

// option reads a socket option into value, and returns as much of it as was set.
func (d *descriptor) option(level, opt int, value []byte) ([]byte, error) {
	if d.attached != nil {
		return d.attached.Option(level, opt, value)
	}
	return getsockoptBytes(d.fd, level, opt, value)
}

func (d *descriptor) setOption(level, opt int, value []byte) error {
	if d.attached != nil {
		return d.attached.SetOption(level, opt, value)
	}
	return setsockoptBytes(d.fd, level, opt, value)
}

func (d *descriptor) intOption(level, opt int) (int, error) {
	if d.attached == nil {
		return unix.GetsockoptInt(d.fd, level, opt)
	}
	b, err := d.attached.Option(level, opt, make([]byte, 4))
	if err != nil || len(b) < 4 {
		return 0, err
	}
	return int(int32(binary.NativeEndian.Uint32(b))), nil
}

func (d *descriptor) setIntOption(level, opt, value int) error {
	if d.attached == nil {
		return unix.SetsockoptInt(d.fd, level, opt, value)
	}
	return d.attached.SetOption(level, opt, binary.NativeEndian.AppendUint32(nil, uint32(int32(value))))
}

// linger is the option linger: whether it is set, and its seconds.
func (d *descriptor) linger() (onoffSeconds [2]int32, err error) {
	b, err := d.option(unix.SOL_SOCKET, unix.SO_LINGER, make([]byte, 8))
	if err != nil || len(b) < 8 {
		return onoffSeconds, err
	}
	onoffSeconds[0] = int32(binary.NativeEndian.Uint32(b))
	onoffSeconds[1] = int32(binary.NativeEndian.Uint32(b[4:]))
	return onoffSeconds, nil
}

func (d *descriptor) setLinger(onoff, seconds int32) error {
	b := binary.NativeEndian.AppendUint32(nil, uint32(onoff))
	return d.setOption(unix.SOL_SOCKET, unix.SO_LINGER, binary.NativeEndian.AppendUint32(b, uint32(seconds)))
}

// resetOnClose makes closing the descriptor send a reset.
func (d *descriptor) resetOnClose() { _ = d.setLinger(1, 0) }
