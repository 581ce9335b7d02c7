package packet

import "encoding/binary"

// TLSHeader is the header of a TLS record (RFC 8446, 5.1).
type TLSHeader struct {
	Type         uint8
	Major, Minor uint8
}

const (
	tlsHandshake   = 22
	tlsClientHello = 1
)

// isSSL2Hello reports whether b, of five bytes at least, begins a client hello in
// an SSL 2 record: a length with its top bit set, then the message type.
func isSSL2Hello(b []byte) bool { return b[0]&0x80 != 0 && b[2] == tlsClientHello }

// parseTLS describes the record b. An SSL 2 hello becomes a handshake record
// whose message has a TLS header, type and length, before the SSL 2 content.
func parseTLS(b []byte) Packet {
	if !isSSL2Hello(b) {
		return Packet{
			Kind: TLSRecord,
			TLS:  TLSHeader{Type: b[0], Major: b[1], Minor: b[2]},
			Data: b[5:],
		}
	}
	content := b[3:] // it begins with the version
	data := make([]byte, 0, 4+len(content))
	data = binary.BigEndian.AppendUint32(data, tlsClientHello<<24|uint32(len(content)))
	return Packet{
		Kind: TLSRecord,
		TLS:  TLSHeader{Type: tlsHandshake, Major: content[0], Minor: content[1]},
		Data: append(data, content...),
	}
}
