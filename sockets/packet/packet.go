// Package packet cuts a byte stream into packets as the packet modes of Erlang's
// inet driver do: raw, length prefixes, ASN.1, ONC RPC, CORBA, FastCGI, TPKT,
// lines, HTTP/1 and TLS records. What the modes mean is explained in the manual pages
// of inet:setopts/2 (option packet and its neighbours packet_size, buffer and
// line_delimiter) and erlang:decode_packet/3.
//
// The package knows neither sockets nor Erlang terms. A Framer looks at the bytes
// received so far, and says where the first packet ends and what it is.
package packet

// Kind says what a Packet is.
type Kind uint8

// The kinds of packets. All but Bytes come from the HTTP modes and SSLTLS.
const (
	Bytes        Kind = iota // Data
	HTTPRequest              // HTTP: Method, URI, Major, Minor
	HTTPResponse             // HTTP: Major, Minor, Status, Phrase
	HTTPHeader               // HTTP: Index, Name, Orig, Value
	HTTPEOH                  // the empty line after the headers
	HTTPError                // Data is a line that is none of the above
	TLSRecord                // TLS; Data is the record's content
)

// Packet is one packet of a stream. Its slices alias the buffer that Next was
// given, save for the content of an SSL 2 hello.
type Packet struct {
	Kind Kind

	// TLS is the header of a TLSRecord.
	TLS TLSHeader

	// Data is what is delivered of Bytes: without the length header in modes
	// One, Two and Four, without the padding in FCGI, and all of it in other
	// modes, line ends included. Of an HTTP item it is the line, or the lines,
	// as received.
	Data []byte

	// HTTP is set for HTTPRequest, HTTPResponse and HTTPHeader, but for a header that
	// Framer.Lines has left unparsed.
	HTTP *HTTPItem

	// Headers reports of an HTTP item that headers were due, and not a start line.
	Headers bool
}
