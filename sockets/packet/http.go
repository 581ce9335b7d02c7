package packet

import "bytes"

// HTTPItem is a parsed start line or header. Numbers wrap as the driver's 32-bit
// integers do.
type HTTPItem struct {
	// Major and Minor are the version of a request or a response. A request
	// that names none is 0.9.
	Major, Minor int32

	// Method of a request. KnownMethod reports that it is one of those that
	// Erlang delivers as atoms.
	Method      string
	KnownMethod bool
	URI         URI

	// Status and Phrase of a response. The phrase may be empty.
	Status int32
	Phrase []byte

	// Index, Name, Orig and Value of a header. Index is the first element of
	// Erlang's http_header: positive for a field that Erlang delivers as an
	// atom, else 0. Name is the field with each word capitalised, Orig as it
	// was received. Value has lost its leading blanks; the line breaks of a
	// folded header are kept.
	Index int
	Name  string
	Orig  []byte
	Value []byte
}

// URIKind says which form a URI has.
type URIKind uint8

// The forms of a request's URI, as erlang:decode_packet/3 distinguishes them.
const (
	URIStar     URIKind = iota // "*"
	URIAbsPath                 // Path
	URIAbsolute                // Scheme ("http" or "https"), Host, Port, Path
	URIScheme                  // Scheme, and Path is what follows the colon
	URIString                  // Path is all of it
)

// URI is the target of a request.
type URI struct {
	Kind   URIKind
	Scheme string
	Host   []byte
	Port   int32 // 0 where none is given
	Path   []byte
}

// methods are the methods that Erlang delivers as atoms.
var methods = map[string]bool{
	"OPTIONS": true, "GET": true, "HEAD": true, "POST": true, "PUT": true,
	"DELETE": true, "TRACE": true,
}

// fields are the header fields that Erlang delivers as atoms, in the order of
// their numbers, which begin with 1.
var fields = [...]string{
	"Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding",
	"Upgrade", "Via", "Accept", "Accept-Charset", "Accept-Encoding",
	"Accept-Language", "Authorization", "From", "Host", "If-Modified-Since",
	"If-Match", "If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards",
	"Proxy-Authorization", "Range", "Referer", "User-Agent", "Age",
	"Location", "Proxy-Authenticate", "Public", "Retry-After", "Server",
	"Vary", "Warning", "Www-Authenticate", "Allow", "Content-Base",
	"Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Md5",
	"Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified",
	"Accept-Ranges", "Set-Cookie", "Set-Cookie2", "X-Forwarded-For", "Cookie",
	"Keep-Alive", "Proxy-Connection",
}

var fieldIndex = func() map[string]int {
	m := make(map[string]int, len(fields))
	for i, name := range fields {
		m[name] = i + 1
	}
	return m
}()

// maxFieldName is the longest field name that is capitalised.
const maxFieldName = 50

// httpLine finds the end of a start line, or of a header with the lines that
// continue it. A header ends only where the byte after it is known.
func (f *Framer) httpLine(buf []byte) (n, need int, err error) {
	if f.Mode == HTTPH || f.Mode == HTTPHBin {
		f.Headers = true
	}
	limit := f.window()
	buf = buf[:min(len(buf), limit)]
	if string(buf) == "\n" || string(buf) == "\r\n" {
		return len(buf), 0, nil // nothing can continue an empty line
	}
	longest := limit
	if f.Size != 0 {
		longest = int(min(f.Size, 1<<31-1))
	}
	for from := f.resume(buf); ; {
		i := bytes.IndexByte(buf[from:], '\n')
		if i < 0 {
			if len(buf) >= longest {
				return 0, 0, f.fail("line too long")
			}
			f.searched(len(buf))
			break
		}
		n = from + i + 1
		if f.Headers && n < len(buf) && n > 2 && isBlank(buf[n]) {
			from = n
			continue
		}
		if n > longest {
			return 0, 0, f.fail("line too long")
		}
		if !f.Headers || n < len(buf) {
			return n, 0, nil
		}
		f.searched(n - 1)
		break
	}
	if len(buf) == limit {
		return 0, 0, f.fail("no room for the byte after the line")
	}
	return 0, 1, nil
}

// withoutEnd is a line without its end.
func withoutEnd(line []byte) []byte {
	switch n := len(line); {
	case n >= 2 && line[n-2] == '\r':
		return line[:n-2]
	case n >= 1 && line[n-1] == '\n':
		return line[:n-1]
	}
	return line
}

// Parse parses a header that Framer.Lines has left unparsed. It does nothing to other packets.
func (p *Packet) Parse() {
	if p.Kind == HTTPHeader && p.HTTP == nil {
		p.parseField(withoutEnd(p.Data))
	}
}

func (p *Packet) parseField(text []byte) {
	if p.HTTP = parseField(text); p.HTTP == nil {
		p.Kind = HTTPError
		return
	}
	p.Kind = HTTPHeader
}

// parseHTTP parses a line found by httpLine and advances the state.
func (f *Framer) parseHTTP(line []byte) Packet {
	text := withoutEnd(line)
	p := Packet{Kind: HTTPError, Data: line, Headers: f.Headers}
	if f.Headers {
		switch {
		case len(text) == 0:
			p.Kind = HTTPEOH
			f.Headers = false
		case f.Lines:
			p.Kind = HTTPHeader
		default:
			p.parseField(text)
		}
		return p
	}
	if rest, ok := bytes.CutPrefix(text, []byte("HTTP/")); ok {
		p.Kind, p.HTTP = HTTPResponse, parseStatus(rest)
	} else {
		p.Kind, p.HTTP = HTTPRequest, f.parseRequest(text)
	}
	if p.HTTP == nil {
		p.Kind = HTTPError
		return p
	}
	f.Headers = true
	return p
}

// parseStatus parses a status line from its version on. Everything after the
// version may be missing but for one blank.
func parseStatus(b []byte) *HTTPItem {
	item := new(HTTPItem)
	b, ok := item.version(b)
	after := skipBlanks(b)
	if !ok || len(after) == len(b) {
		return nil
	}
	item.Status, b = number(after)
	item.Phrase = skipBlanks(b)
	if len(b) > 0 && len(item.Phrase) == len(b) {
		return nil // neither blank nor digit after the status
	}
	return item
}

// parseRequest parses a request line. What follows its version is ignored.
func (f *Framer) parseRequest(b []byte) *HTTPItem {
	n := 0
	for n < len(b) && !isSpecial(b[n]) {
		n++
	}
	if n == 0 || n == len(b) || !isBlank(b[n]) {
		return nil
	}
	item := &HTTPItem{Method: string(b[:n]), Minor: 9}
	item.KnownMethod = methods[item.Method]
	b = skipBlanks(b[n:])
	for n = 0; n < len(b) && !isBlank(b[n]); {
		n++
	}
	if n == 0 {
		return nil
	}
	target := b[:n]
	if b = skipBlanks(b[n:]); len(b) > 0 {
		rest, ok := bytes.CutPrefix(b, []byte("HTTP/"))
		if !ok {
			return nil
		}
		if _, ok = item.version(rest); !ok {
			return nil
		}
	}
	item.URI = f.parseURI(target)
	return item
}

// version reads a version, two numbers with a point between them.
func (item *HTTPItem) version(b []byte) (rest []byte, ok bool) {
	major, rest := number(b)
	if len(rest) == len(b) || len(rest) == 0 || rest[0] != '.' {
		return nil, false
	}
	b = rest[1:]
	minor, rest := number(b)
	if len(rest) == len(b) {
		return nil, false
	}
	item.Major, item.Minor = major, minor
	return rest, true
}

// parseURI parses the target of a request, which has one byte at least.
func (f *Framer) parseURI(b []byte) URI {
	switch {
	case len(b) == 1 && b[0] == '*':
		return URI{Kind: URIStar}
	case len(b) == 1 || b[0] == '/':
		return URI{Kind: URIAbsPath, Path: b}
	}
	for _, scheme := range [...]string{"http", "https"} {
		n := len(scheme) + len("://")
		if len(b) >= n && bytes.EqualFold(b[:n], []byte(scheme+"://")) {
			return f.parseAbsolute(scheme, b[n:])
		}
	}
	if i := bytes.IndexByte(b, ':'); i >= 0 {
		return URI{Kind: URIScheme, Scheme: string(b[:i]), Path: b[i+1:]}
	}
	return URI{Kind: URIString, Path: b}
}

var rootPath = []byte("/")

// parseAbsolute parses what follows the scheme: host, port and path. A port that
// is not a positive number counts as none.
func (f *Framer) parseAbsolute(scheme string, b []byte) URI {
	uri := URI{Kind: URIAbsolute, Scheme: scheme, Host: b, Path: rootPath}
	if i := bytes.IndexByte(b, '/'); i >= 0 {
		uri.Host, uri.Path = b[:i], b[i:]
	}
	host := uri.Host
	colon := bytes.IndexByte(host, ':')
	if colon < 0 {
		return uri
	}
	if f.IPv6Hosts && host[0] == '[' {
		if end := bytes.IndexByte(host, ']'); end >= 0 {
			uri.Host = host[:end+1]
			if bytes.LastIndexByte(host, ':') == end+1 {
				uri.Port = port(host[end+2:])
			}
			return uri
		}
	}
	uri.Host, uri.Port = host[:colon], port(host[colon+1:])
	return uri
}

func port(b []byte) int32 {
	n, rest := number(b)
	if len(rest) > 0 {
		return 0
	}
	return n
}

// parseField parses a header.
func parseField(b []byte) *HTTPItem {
	n := 0
	for n < len(b) && !isSpecial(b[n]) {
		n++
	}
	if n == len(b) || b[n] != ':' {
		return nil
	}
	item := &HTTPItem{Orig: b[:n:n], Value: skipBlanks(b[n+1:])}
	if n > maxFieldName {
		item.Name = string(item.Orig)
		return item
	}
	var buf [maxFieldName]byte
	name := capitalise(append(buf[:0], item.Orig...))
	if item.Index = fieldIndex[string(name)]; item.Index > 0 {
		item.Name = fields[item.Index-1]
	} else {
		item.Name = string(name)
	}
	return item
}

// capitalise rewrites name in place: the first byte, and each one after a
// hyphen, to upper case, and all others to lower case. A hyphen that stands
// where a word should begin is itself the first byte of that word.
func capitalise(name []byte) []byte {
	first := true
	for i, c := range name {
		switch {
		case first && 'a' <= c && c <= 'z':
			name[i] = c - 'a' + 'A'
		case !first && 'A' <= c && c <= 'Z':
			name[i] = c - 'A' + 'a'
		}
		first = !first && c == '-'
	}
	return name
}

// number reads decimal digits, of which there may be none.
func number(b []byte) (n int32, rest []byte) {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		n = n*10 + int32(b[i]-'0')
		i++
	}
	return n, b[i:]
}

func skipBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isSpecial reports whether c cannot stand in a method or a field name: the
// separators of RFC 2616, 2.2, controls, and everything beyond ASCII. Delete
// (127) is let through.
func isSpecial(c byte) bool {
	return c <= ' ' || c >= 128 || bytes.IndexByte(separators, c) >= 0
}

var separators = []byte(`()<>@,;:\"/[]?={}`)
