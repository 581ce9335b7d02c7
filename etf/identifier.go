package etf

import "encoding/binary"

// Pid reads a pid, in any of its formats.
func (s *Scanner) Pid() Pid {
	tag, node, d := s.identifier(KindPid)
	if d == nil {
		return Pid{}
	}
	return makePid(tag, Atom(node), d)
}

// Port reads a port, in any of its formats.
func (s *Scanner) Port() Port {
	tag, node, d := s.identifier(KindPort)
	if d == nil {
		return Port{}
	}
	return makePort(tag, Atom(node), d)
}

// Ref reads a reference, in any of its formats.
func (s *Scanner) Ref() Ref {
	tag, node, d := s.identifier(KindRef)
	if d == nil {
		return Ref{}
	}
	return makeRef(tag, Atom(node), d)
}

func makePid(tag Tag, node Atom, d []byte) Pid {
	p := Pid{Node: node, ID: be32(d), Serial: be32(d[4:]), Creation: uint32(d[8])}
	if tag == tagNewPid {
		p.Creation = be32(d[8:])
	}
	return p
}

func makePort(tag Tag, node Atom, d []byte) Port {
	switch tag {
	case tagV4Port:
		return Port{Node: node, ID: binary.BigEndian.Uint64(d), Creation: be32(d[8:])}
	case tagNewPort:
		return Port{Node: node, ID: uint64(be32(d)), Creation: be32(d[4:])}
	}
	return Port{Node: node, ID: uint64(be32(d)), Creation: uint32(d[4])}
}

func makeRef(tag Tag, node Atom, d []byte) Ref {
	r := Ref{Node: node}
	switch tag {
	case tagNewerRef:
		r.Creation, d = be32(d), d[4:]
	case tagNewRef:
		r.Creation, d = uint32(d[0]), d[1:]
	default:
		r.Creation, d = uint32(d[4]), d[:4]
	}
	r.Len = len(d) / 4
	for i := range r.Len {
		r.Words[i] = be32(d[4*i:])
	}
	return r
}

// identifier reads a pid, port or reference and returns its node and the
// fixed part behind it, which is nil after a failure.
func (s *Scanner) identifier(kind Kind) (Tag, []byte, []byte) {
	if !s.expect(kind) {
		return 0, nil, nil
	}
	t := s.Raw()
	if t == nil {
		return 0, nil, nil
	}
	inner := Scanner{data: t, off: 1, opts: s.opts}
	if tag := Tag(t[0]); tag == tagNewRef || tag == tagNewerRef {
		inner.off = 3
	}
	node := inner.Atom()
	return Tag(t[0]), node, inner.Rest()
}

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// AppendPid adds a pid as NEW_PID_EXT.
func AppendPid(dst []byte, p Pid) []byte {
	dst = AppendAtom(append(dst, byte(tagNewPid)), p.Node)
	return append32(append32(append32(dst, p.ID), p.Serial), p.Creation)
}

// AppendPort adds a port as V4_PORT_EXT, which every release since OTP 24 reads.
func AppendPort(dst []byte, p Port) []byte {
	dst = AppendAtom(append(dst, byte(tagV4Port)), p.Node)
	return append32(binary.BigEndian.AppendUint64(dst, p.ID), p.Creation)
}

// AppendRef adds a reference as NEWER_REFERENCE_EXT. r.Len must be 1 to 5.
func AppendRef(dst []byte, r Ref) []byte {
	dst = AppendAtom(append(dst, byte(tagNewerRef), 0, byte(r.Len)), r.Node)
	dst = append32(dst, r.Creation)
	for _, word := range r.Words[:r.Len] {
		dst = append32(dst, word)
	}
	return dst
}
