package packet

import (
	"bytes"
	"encoding/binary"
)

// header is what a length-prefixed packet says about itself.
type header struct {
	len  int    // of the header itself
	body uint32 // length of what follows
}

// header reads the header at the front of b. more > 0: b is too short by at
// least that many bytes. A reason says why there is no valid header.
func (f *Framer) header(b []byte) (h header, more int, reason string) {
	if f.Mode == ASN1 {
		return f.berHeader(b)
	}
	h.len = fixedHeader(f.Mode)
	switch {
	case h.len == 0:
		return h, 0, "unknown mode"
	case len(b) < h.len:
		return h, h.len - len(b), ""
	}
	switch f.Mode {
	case One:
		h.body = uint32(b[0])
	case Two:
		h.body = uint32(binary.BigEndian.Uint16(b))
	case Four:
		h.body = binary.BigEndian.Uint32(b)
	case SunRM:
		// The top bit marks the last fragment of a record.
		h.body = binary.BigEndian.Uint32(b) &^ (1 << 31)
	case CDR:
		if !bytes.Equal(b[:4], []byte("GIOP")) {
			return h, 0, "no GIOP header"
		}
		h.body = binary.BigEndian.Uint32(b[8:])
		if littleEndian := b[6]&1 != 0; littleEndian {
			h.body = binary.LittleEndian.Uint32(b[8:])
		}
	case FCGI:
		if b[0] != 1 {
			return h, 0, "FastCGI version is not 1"
		}
		content, padding := binary.BigEndian.Uint16(b[4:]), b[6]
		h.body = uint32(content) + uint32(padding)
	case TPKT:
		if b[0] != 3 {
			return h, 0, "TPKT version is not 3"
		}
		total := binary.BigEndian.Uint16(b[2:])
		if int(total) < h.len {
			return h, 0, "TPKT shorter than its header"
		}
		h.body = uint32(total) - uint32(h.len)
	case SSLTLS:
		if !isSSL2Hello(b) {
			h.body = uint32(binary.BigEndian.Uint16(b[3:]))
			break
		}
		// An SSL 2 record's length counts all but its own two bytes.
		total := 2 + int(binary.BigEndian.Uint16(b)&0x7fff)
		if total < h.len {
			return h, 0, "SSL 2 hello shorter than its header"
		}
		h.body = uint32(total - h.len)
	}
	return h, 0, ""
}

// fixedHeader is the length of the header in modes where that is fixed.
func fixedHeader(m Mode) int {
	switch m {
	case One:
		return 1
	case Two:
		return 2
	case Four, SunRM, TPKT:
		return 4
	case SSLTLS:
		return 5
	case FCGI:
		return 8
	case CDR:
		return 12
	}
	return 0
}

// berHeader reads the tag and the length of an ASN.1 value (X.690, 8.1.2 and
// 8.1.3). The indefinite length counts as 0.
func (f *Framer) berHeader(b []byte) (h header, more int, reason string) {
	const (
		longTag  = 0x1f // the tag number follows, seven bits a byte
		moreTag  = 0x80 // another byte of it follows
		longForm = 0x80 // the length follows, in as many bytes as this says
	)
	if len(b) < 2 {
		return h, 2 - len(b), ""
	}
	i := 1
	if b[0]&longTag == longTag {
		i = max(i, f.resume(b))
		for i < len(b) && b[i]&moreTag != 0 {
			i++
		}
		f.searched(i)
		if len(b) < i+2 {
			return h, i + 2 - len(b), ""
		}
		i++
	}
	length := uint32(b[i])
	i++
	if length&longForm != 0 {
		k := int(length &^ longForm)
		switch {
		case len(b) < i+k:
			return h, i + k - len(b), ""
		case k > 4:
			return h, 0, "length of more than four bytes"
		}
		length = 0
		for _, c := range b[i : i+k] {
			length = length<<8 | uint32(c)
		}
		i += k
	}
	return header{i, length}, 0, ""
}
