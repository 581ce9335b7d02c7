package driver

import (
	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

// appendPacket writes a packet in the form that the socket's options ask for.
func appendPacket(b []byte, s *sockets.Socket, p packet.Packet) []byte {
	bin := s.PacketMode().Binary()
	p.Parse()
	switch p.Kind {
	case packet.Bytes:
		return appendBytes(b, s, p.Data)
	case packet.TLSRecord:
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 5), "ssl_tls")
		return appendTLS(etf.AppendInt(b, int64(s.ID())), p)
	case packet.HTTPEOH:
		return etf.AppendAtom(b, "http_eoh")
	case packet.HTTPError:
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 2), "http_error")
		return appendText(b, p.Data, bin)
	case packet.HTTPRequest:
		h := p.HTTP
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 4), "http_request")
		if h.KnownMethod {
			b = etf.AppendAtom(b, h.Method)
		} else {
			b = appendText(b, h.Method, bin)
		}
		return appendVersion(appendURI(b, h.URI, bin), h)
	case packet.HTTPResponse:
		h := p.HTTP
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 4), "http_response")
		b = etf.AppendInt(appendVersion(b, h), int64(h.Status))
		return appendText(b, h.Phrase, bin)
	default:
		h := p.HTTP
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 5), "http_header")
		b = etf.AppendInt(b, int64(h.Index))
		if h.Index > 0 {
			b = etf.AppendAtom(b, h.Name)
		} else {
			b = appendText(b, h.Name, bin)
		}
		return appendText(appendText(b, h.Orig, bin), h.Value, bin)
	}
}

// appendBytes writes octets as the options mode and header ask.
func appendBytes(b []byte, s *sockets.Socket, data []byte) []byte {
	if !s.Binary() {
		return etf.AppendString(b, data)
	}
	n := s.Header()
	switch {
	case n == 0:
		return etf.AppendBinary(b, data)
	case len(data) < n:
		return etf.AppendString(b, data)
	}
	b = etf.AppendListHeader(b, n)
	for _, c := range data[:n] {
		b = etf.AppendInt(b, int64(c))
	}
	return etf.AppendBinary(b, data[n:])
}

func appendText[T string | []byte](b []byte, text T, binary bool) []byte {
	if binary {
		return etf.AppendBinary(b, text)
	}
	return etf.AppendString(b, text)
}

func appendVersion(b []byte, h *packet.HTTPItem) []byte {
	return etf.AppendInt(etf.AppendInt(etf.AppendTupleHeader(b, 2), int64(h.Major)), int64(h.Minor))
}

func appendURI(b []byte, u packet.URI, bin bool) []byte {
	switch u.Kind {
	case packet.URIStar:
		return etf.AppendAtom(b, "*")
	case packet.URIAbsPath:
		return appendText(etf.AppendAtom(etf.AppendTupleHeader(b, 2), "abs_path"), u.Path, bin)
	case packet.URIAbsolute:
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 5), "absoluteURI")
		b = appendText(etf.AppendAtom(b, u.Scheme), u.Host, bin)
		if u.Port > 0 {
			b = etf.AppendInt(b, int64(u.Port))
		} else {
			b = etf.AppendAtom(b, "undefined")
		}
		return appendText(b, u.Path, bin)
	case packet.URIScheme:
		b = etf.AppendAtom(etf.AppendTupleHeader(b, 3), "scheme")
		return appendText(appendText(b, u.Scheme, bin), u.Path, bin)
	}
	return appendText(b, u.Path, bin)
}

// appendTLS writes what follows the socket in {ssl_tls, Id, Type, Version, Binary}.
func appendTLS(b []byte, p packet.Packet) []byte {
	b = etf.AppendInt(b, int64(p.TLS.Type))
	b = etf.AppendInt(etf.AppendTupleHeader(b, 2), int64(p.TLS.Major))
	b = etf.AppendInt(b, int64(p.TLS.Minor))
	return etf.AppendBinary(b, p.Data)
}
