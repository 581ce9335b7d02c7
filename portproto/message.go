package portproto

import (
	"encoding/binary"
	"math"

	"github.com/gentcp/gentcp/etf"
)

// AppendID writes a socket's Id with the fixed width that section 5.1 promises.
func AppendID(dst []byte, id int64) []byte {
	if id > math.MaxInt32 {
		return etf.AppendInt(dst, id)
	}
	dst = append(dst, byte(98)) // INTEGER_EXT, also for small values
	return binary.BigEndian.AppendUint32(dst, uint32(id))
}

// AppendEvent begins {Name, Id, ...}: a message of arity elements about a socket.
func AppendEvent(dst []byte, name string, arity int, id int64) []byte {
	return AppendID(etf.AppendAtom(etf.AppendTupleHeader(dst, arity), name), id)
}

// AppendReply begins {reply, Tag, Result}; the result follows.
func AppendReply(dst []byte, tag etf.RawTerm) []byte {
	return append(append(dst, replyHead...), tag...)
}

// AppendOK begins {ok, Value}; the value follows.
func AppendOK(dst []byte) []byte { return append(dst, okHead...) }

// AppendError writes {error, Reason} with an atom.
func AppendError(dst []byte, reason string) []byte {
	return etf.AppendAtom(AppendErrorTerm(dst), reason)
}

// AppendErrorTerm begins {error, Reason}; the reason follows.
func AppendErrorTerm(dst []byte) []byte { return append(dst, errorHead...) }

// AppendErrorText writes {error, {Kind, Text}} with a binary that says what is wrong.
func AppendErrorText(dst []byte, kind, text string) []byte {
	dst = etf.AppendTupleHeader(AppendErrorTerm(dst), 2)
	return etf.AppendBinary(etf.AppendAtom(dst, kind), text)
}

// AppendTo begins {to, Owner, Message}; the message follows.
func AppendTo(dst []byte, owner etf.RawTerm) []byte {
	return append(etf.AppendAtom(etf.AppendTupleHeader(dst, 3), "to"), owner...)
}

// AppendCredit writes {credit, Id, Octets, Window}.
func AppendCredit(dst []byte, id int64, octets, window int) []byte {
	dst = AppendEvent(dst, "credit", 4, id)
	return AppendID(AppendID(dst, int64(octets)), int64(window))
}

// AppendAhead begins {ahead, Id, Loan, Packets}; the packets follow.
func AppendAhead(dst []byte, id int64, loan int) []byte {
	return AppendID(AppendEvent(dst, "ahead", 4, id), int64(loan))
}

// AppendLines begins {lines, Mode, Headers, Count, Octets} up to the octets, whose number
// and that of the packets are for [PatchLines] once they are known.
func AppendLines(dst []byte, mode string, headers bool) []byte {
	dst = etf.AppendAtom(etf.AppendAtom(etf.AppendTupleHeader(dst, 5), "lines"), mode)
	due := int64(0)
	if headers {
		due = 1
	}
	return etf.AppendBinaryHeader(AppendID(etf.AppendInt(dst, due), 0), 0)
}

// PatchLines completes what AppendLines has begun, at b[:head]; the octets are b[head:].
func PatchLines(b []byte, head, count int) {
	binary.BigEndian.PutUint32(b[head-9:], uint32(count))
	binary.BigEndian.PutUint32(b[head-4:], uint32(len(b)-head))
}

// PatchList completes a list whose head is at the end of b[:head] with the number of its elements.
func PatchList(b []byte, head, count int) {
	binary.BigEndian.PutUint32(b[head-4:], uint32(count))
}

// Hello is what the port program says first.
type Hello struct {
	_          struct{}   `etf:",map"`
	Program    string     `etf:"version"`
	OSPid      int        `etf:"os_pid"`
	MaxFrame   int        `etf:"max_frame"`
	MaxSockets int        `etf:"max_sockets"`
	Features   []etf.Atom `etf:"features"`
}

// Append writes {hello, Version, Map}.
func (h Hello) Append(dst []byte) ([]byte, error) {
	return etf.Append(dst, etf.Tuple{etf.Atom("hello"), int64(Version), h})
}

// NodeHello is the node's answer.
type NodeHello struct {
	Version    int64  `etf:"-"`
	Window     uint64 `etf:"window"` // 0: no limit
	SendCredit bool   `etf:"send_credit"`
	Ahead      uint64 `etf:"ahead"`  // octets of one socket's input that may be on loan
	Lines      bool   `etf:"lines"`  // the node parses http packets
	OTP        int    `etf:"otp"`    // 0: the newest
	ERTS       string `etf:"erts"`   // the version of the runtime, empty: the newest of the release
	OSPid      int    `etf:"os_pid"` // 0: not given
}

// ReadHello reads the arguments of the node's hello: {hello, Version} or
// {hello, Version, Map}. Keys that it does not know are for later versions. Of a hello of
// another version than [Version] nothing but that is read.
func ReadHello(c *Command) (NodeHello, error) {
	var h NodeHello
	s := &c.Args
	h.Version = s.Int()
	if s.Err() == nil && h.Version != Version {
		return h, nil // what another version says further on is not known here
	}
	var options etf.RawTerm
	if c.Arity > 2 {
		options = s.Raw()
	}
	if err := s.Finish(); err != nil || options == nil {
		return h, err
	}
	return h, options.Unmarshal(&h)
}

var (
	replyHead = etf.AppendAtom(etf.AppendTupleHeader(nil, 3), "reply")
	okHead    = etf.AppendAtom(etf.AppendTupleHeader(nil, 2), "ok")
	errorHead = etf.AppendAtom(etf.AppendTupleHeader(nil, 2), "error")
)
