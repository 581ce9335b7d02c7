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
	case s.out.files > 0 || s.out.fileWaits:
		err = unix.EINVAL
	}
	if err == nil {
		s.flushCork()
		if s.state != connected {
			err = ErrClosed
		}
	}
	switch {
	case err != nil:
		f.finish(err)
	case s.out.waiting.count > 0:
		s.out.fileWaits = true
		s.waitToSend(waitingSend{kind: aFile, file: f})
	default:
		s.queueFile(f)
	}
}

func (s *Socket) queueFile(f *fileSend) {
	s.setWindow(0)
	wasEmpty := s.out.empty()
	s.out.pushFile(f)
	if wasEmpty {
		s.output()
	}
}

// sendFilePart sends up to most octets of the file at the front of the queue.
func (s *Socket) sendFilePart(f *fileSend, most int) (sent int, err error) {
	n := int64(most)
	if f.left >= 0 {
		n = min(n, f.left)
	}
	if n > 0 {
		sent, err = s.desc.sendFile(f.fd, f.offset, int(n))
	}
	if err != nil {
		if err == unix.EAGAIN || err == unix.EINTR || isConnectionError(err) {
			return 0, err
		}
		s.out.drop()
		f.finish(err)
		return 0, nil
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
	return sent, nil
}

func (f *fileSend) finish(err error) {
	_ = unix.Close(f.fd)
	f.done.FileSent(f.sent, err)
}

func isConnectionError(err error) bool {
	return err == unix.EPIPE || err == unix.ECONNRESET || err == unix.ENOTCONN || err == unix.ETIMEDOUT
}
