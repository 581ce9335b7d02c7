package packet

import "strconv"

// Mode says how a stream of bytes is cut into packets: the values of the
// option packet of inet:setopts/2.
type Mode uint8

// The packet modes. Their numbers are this package's own.
const (
	Raw      Mode = iota // no framing
	One                  // length in one byte
	Two                  // length in two bytes, big endian
	Four                 // length in four bytes, big endian
	ASN1                 // ASN.1 BER
	SunRM                // ONC RPC record marking, RFC 5531
	CDR                  // CORBA GIOP 1.1
	FCGI                 // FastCGI
	TPKT                 // RFC 1006
	Line                 // a line, up to Framer.Delimiter
	HTTP                 // HTTP/1 start lines and headers, strings as lists
	HTTPBin              // HTTP with strings as binaries
	HTTPH                // HTTP that begins with headers
	HTTPHBin             // HTTPH with strings as binaries
	SSLTLS               // TLS records and SSL 2 hellos
	modes
)

var modeNames = [modes]string{
	"raw", "1", "2", "4", "asn1", "sunrm", "cdr", "fcgi", "tpkt", "line",
	"http", "http_bin", "httph", "httph_bin", "ssl_tls",
}

// String is the mode as inet:setopts/2 spells it.
func (m Mode) String() string {
	if m < modes {
		return modeNames[m]
	}
	return "mode(" + strconv.Itoa(int(m)) + ")"
}

// HeaderLen is the number of bytes that sending in mode m puts before the
// data, and that a delivered packet has lost: 1, 2 or 4, and 0 in all other
// modes.
func HeaderLen(m Mode) int {
	switch m {
	case One:
		return 1
	case Two:
		return 2
	case Four:
		return 4
	}
	return 0
}

// isHTTP reports whether packets of mode m are HTTP lines.
func (m Mode) isHTTP() bool { return HTTP <= m && m <= HTTPHBin }

// Binary reports whether mode m is one of HTTP whose strings are binaries.
func (m Mode) Binary() bool { return m == HTTPBin || m == HTTPHBin }
