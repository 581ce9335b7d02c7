package sockets

import "golang.org/x/sys/unix"

// FileSender is the completion of SendFile.
type FileSender interface {
	FileSent(octets int64, err error)
}

// fileSend is a part of a file in a queue.
type fileSend struct {
	s      *Socket
	fd     int
	offset int64
	left   int64 // -1: to the end of the file
	sent   int64
	done   FileSender
}

// filePiece is how much of a file one system call may send.
const filePiece = 1 << 20

// SendFile sends length octets (0: all) of the file open as fd, from offset on, behind what
// is queued and without packet headers. It closes fd.
func (s *Socket) SendFile(fd int, offset, length int64, done FileSender) {
	f := &fileSend{s: s, fd: fd, offset: offset, left: length, done: done}
	if length == 0 {
		f.left = -1
	}
	var err error
	switch {
	case s.state == gone:
		err = ErrClosed
	case s.state != connected:
		err = unix.ENOTCONN
	case s.hasFile():
		err = unix.EINVAL
	}
	if err == nil {
		s.flushCork()
		if s.state != connected {
			err = ErrClosed
		}
	}
	if err != nil {
		f.finish(err)
		return
	}
	s.setWindow(0)
	wasEmpty := s.out.empty()
	s.out.pushFile(f)
	if wasEmpty {
		s.output()
	}
}

// sendFilePart sends a piece of the file at the front of the queue.
func (s *Socket) sendFilePart(f *fileSend) error {
	n := int64(filePiece)
	if f.left >= 0 {
		n = min(n, f.left)
	}
	var sent int
	var err error
	if n > 0 {
		sent, err = s.desc.sendFile(f.fd, f.offset, int(n))
	}
	if err != nil {
		if err == unix.EAGAIN || err == unix.EINTR || isConnectionError(err) {
			return err
		}
		s.out.drop()
		f.finish(err)
		return nil
	}
	f.offset += int64(sent)
	f.sent += int64(sent)
	if f.left > 0 {
		f.left -= int64(sent)
	}
	if sent == 0 || f.left == 0 {
		s.out.drop()
		f.finish(nil)
	}
	return nil
}

func (f *fileSend) finish(err error) {
	_ = unix.Close(f.fd)
	f.done.FileSent(f.sent, err)
}

func isConnectionError(err error) bool {
	return err == unix.EPIPE || err == unix.ECONNRESET || err == unix.ENOTCONN || err == unix.ETIMEDOUT
}

// hasFile tells whether a file waits in the queue.
func (s *Socket) hasFile() bool {
	for i := s.out.head; i < len(s.out.segments); i++ {
		if s.out.segments[i].file != nil {
			return true
		}
	}
	return false
}
