package packet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/sockets/packet"
)

// with changes one option of a setup.
type with func(*setup)

func size(n uint32) with       { return func(s *setup) { s.size = n } }
func buffer(n int) with        { return func(s *setup) { s.buffer = n } }
func delimiter(c byte) with    { return func(s *setup) { s.delimiter = c } }
func options(o ...with) []with { return o }

// A row is a stream that ends, and all that is received of it: what describe
// says, and at last "closed" or "emsgsize".
type row struct {
	name    string
	mode    packet.Mode
	options []with
	in      string
	want    []string
}

func (r row) setup() setup {
	s := setup{mode: r.mode, buffer: packet.DefaultBuffer, delimiter: '\n'}
	for _, change := range r.options {
		change(&s)
	}
	return s
}

func want(items ...string) []string { return items }

// long is a string of n bytes.
func long(n int) string { return strings.Repeat("x", n) }

var rows = []row{
	{"1", packet.One, nil, "\x02ab\x00\x01c\x05d", want(`bytes "ab"`, `bytes ""`, `bytes "c"`, "closed")},
	{"1 of the longest", packet.One, nil, "\xff" + long(255), want(`bytes "`+long(255)+`"`, "closed")},
	{"1 at the limit", packet.One, options(size(2)), "\x02ab\x03abc", want(`bytes "ab"`, "emsgsize")},
	{"2", packet.Two, nil, "\x00\x03abc\x01", want(`bytes "abc"`, "closed")},
	{"2 longer than the buffer", packet.Two, options(buffer(2)), "\x00\x03abc", want(`bytes "abc"`, "closed")},
	{"2 with a buffer too small for it", packet.Two, options(buffer(1)), "\x00\x03abc", want("emsgsize")},
	{"2 with a buffer too small and a size to match", packet.Two, options(buffer(1), size(3)), "\x00\x03abc", want(`bytes "abc"`, "closed")},
	{"4", packet.Four, nil, "\x00\x00\x00\x01a\x00\x00\x00\x00\x00", want(`bytes "a"`, `bytes ""`, "closed")},
	{"4 at the limit", packet.Four, options(size(3)), "\x00\x00\x00\x03abc\x00\x00\x00\x04", want(`bytes "abc"`, "emsgsize")},
	{"4 of the longest, unfinished", packet.Four, nil, "\x7f\xff\xff\xfb123", want("closed")},
	{"4 beyond 2 GiB with its header", packet.Four, nil, "\x7f\xff\xff\xfc", want("emsgsize")},
	{"4 beyond 2 GiB", packet.Four, nil, "\x80\x00\x00\x00", want("emsgsize")},
	{"4 beyond 4 GiB with its header", packet.Four, nil, "\xff\xff\xff\xff", want("emsgsize")},
	{"4 with a buffer of 3", packet.Four, options(buffer(3)), "\x00\x00\x00\x01a", want("emsgsize")},
	{"4 with a buffer and a size of 3", packet.Four, options(buffer(3), size(3)), "\x00\x00\x00\x01a", want("emsgsize")},
	{"4 with a buffer of 3 and a size of 4", packet.Four, options(buffer(3), size(4)), "\x00\x00\x00\x01a", want(`bytes "a"`, "closed")},

	{"asn1", packet.ASN1, nil, "\x30\x03abc\x05\x00\x04", want(`bytes "0\x03abc"`, `bytes "\x05\x00"`, "closed")},
	{"asn1 with a long tag", packet.ASN1, nil, "\x1f\x81\x02\x01a", want(`bytes "\x1f\x81\x02\x01a"`, "closed")},
	{"asn1 with a long length", packet.ASN1, nil, "\x04\x82\x00\x01a\x04\x84\x00\x00\x00\x01b", want(`bytes "\x04\x82\x00\x01a"`, `bytes "\x04\x84\x00\x00\x00\x01b"`, "closed")},
	{"asn1 of indefinite length", packet.ASN1, nil, "\x30\x80\x00\x00", want(`bytes "0\x80"`, `bytes "\x00\x00"`, "closed")},
	{"asn1 with five length bytes", packet.ASN1, nil, "\x30\x85\x00\x00\x00\x00\x01a", want("emsgsize")},
	{"asn1 with five length bytes, not all there", packet.ASN1, nil, "\x30\x85\x00\x00\x00\x00", want("closed")},
	{"asn1 at the limit", packet.ASN1, options(size(2)), "\x04\x02ab\x04\x03abc", want(`bytes "\x04\x02ab"`, "emsgsize")},
	{"asn1 beyond 2 GiB", packet.ASN1, nil, "\x30\x84\x7f\xff\xff\xff", want("emsgsize")},
	{"asn1 with a tag that fills the buffer", packet.ASN1, options(buffer(4)), "\x1f\x81\x81\x81\x81\x01\x00", want("emsgsize")},

	{"sunrm", packet.SunRM, nil, "\x80\x00\x00\x02ab\x00\x00\x00\x01c\x80", want(`bytes "\x80\x00\x00\x02ab"`, `bytes "\x00\x00\x00\x01c"`, "closed")},
	{"sunrm at the limit", packet.SunRM, options(size(1)), "\x80\x00\x00\x01a\x80\x00\x00\x02ab", want(`bytes "\x80\x00\x00\x01a"`, "emsgsize")},
	{"sunrm beyond 2 GiB with its header", packet.SunRM, nil, "\xff\xff\xff\xfc", want("emsgsize")},

	{"cdr in both byte orders", packet.CDR, nil, "GIOP\x01\x02\x00\x00\x00\x00\x00\x01aGIOP\x01\x02\x03\x00\x01\x00\x00\x00b", want(
		`bytes "GIOP\x01\x02\x00\x00\x00\x00\x00\x01a"`, `bytes "GIOP\x01\x02\x03\x00\x01\x00\x00\x00b"`, "closed")},
	{"cdr with other magic", packet.CDR, nil, "GIOX\x01\x02\x00\x00\x00\x00\x00\x01a", want("emsgsize")},
	{"cdr at the limit", packet.CDR, options(size(1)), "GIOP\x01\x02\x00\x00\x00\x00\x00\x02ab", want("emsgsize")},
	{"cdr beyond 4 GiB with its header", packet.CDR, nil, "GIOP\x01\x02\x01\x00\xf4\xff\xff\xff", want("emsgsize")},
	{"cdr with a buffer too small for it", packet.CDR, options(buffer(11)), "GIOP\x01\x02\x00\x00\x00\x00\x00\x00", want("emsgsize")},

	{"fcgi loses its padding", packet.FCGI, nil, "\x01\x06\x00\x01\x00\x02\x03\x00ab___\x01\x05\x00\x01\x00\x00\x00\x00", want(
		`bytes "\x01\x06\x00\x01\x00\x02\x03\x00ab"`, `bytes "\x01\x05\x00\x01\x00\x00\x00\x00"`, "closed")},
	{"fcgi at the limit", packet.FCGI, options(size(5)), "\x01\x06\x00\x01\x00\x02\x03\x00ab___\x01\x06\x00\x01\x00\x02\x04\x00ab____", want(
		`bytes "\x01\x06\x00\x01\x00\x02\x03\x00ab"`, "emsgsize")},
	{"fcgi of another version", packet.FCGI, nil, "\x02\x06\x00\x01\x00\x00\x00\x00", want("emsgsize")},

	{"tpkt", packet.TPKT, nil, "\x03\x00\x00\x05a\x03\xff\x00\x04\x03", want(`bytes "\x03\x00\x00\x05a"`, `bytes "\x03\xff\x00\x04"`, "closed")},
	{"tpkt of another version", packet.TPKT, nil, "\x02\x00\x00\x05a", want("emsgsize")},
	{"tpkt shorter than its header", packet.TPKT, nil, "\x03\x00\x00\x03a", want("emsgsize")},
	{"tpkt shorter than its header, with a limit", packet.TPKT, options(size(9)), "\x03\x00\x00\x00a", want("emsgsize")},
	{"tpkt at the limit", packet.TPKT, options(size(1)), "\x03\x00\x00\x05a\x03\x00\x00\x06ab", want(`bytes "\x03\x00\x00\x05a"`, "emsgsize")},

	{"line", packet.Line, nil, "a\r\n\nb\nrest", want(`bytes "a\r\n"`, `bytes "\n"`, `bytes "b\n"`, "closed")},
	{"line with another delimiter", packet.Line, options(delimiter(';')), "a\n;b;\n", want(`bytes "a\n;"`, `bytes "b;"`, "closed")},
	{"line with delimiter 0", packet.Line, options(delimiter(0)), "a\x00\x00", want(`bytes "a\x00"`, `bytes "\x00"`, "closed")},
	{"line cut at the buffer", packet.Line, nil, long(2000) + "\n", want(`bytes "`+long(1460)+`"`, `bytes "`+long(540)+`\n"`, "closed")},
	{"line cut at the buffer whatever the size", packet.Line, options(size(5000)), long(2000) + "\n", want(`bytes "`+long(1460)+`"`, `bytes "`+long(540)+`\n"`, "closed")},
	{"line cut between text and delimiter", packet.Line, options(buffer(3)), "abc\nab\n", want(`bytes "abc"`, `bytes "\n"`, `bytes "ab\n"`, "closed")},
	{"line cut at buffer and size alike", packet.Line, options(buffer(3), size(3)), "abcd\n", want(`bytes "abc"`, `bytes "d\n"`, "closed")},
	{"line at the limit", packet.Line, options(size(3)), "ab\nabc\n", want(`bytes "ab\n"`, "emsgsize")},
	{"line at the limit without delimiter", packet.Line, options(size(3)), "abc", want("closed")},
	{"line beyond the limit without delimiter", packet.Line, options(size(3)), "abcd", want("emsgsize")},

	{"http request", packet.HTTP, nil, "GET /a?b HTTP/1.1\r\nHost: h\r\nx-fOO-bar:  y \r\n\r\nPOST * HTTP/1.0\r\n", want(
		`request atom "GET" abs_path "/a?b" 1 1`, `header 14 atom "Host" "Host" "h"`,
		`header 0 string "X-Foo-Bar" "x-fOO-bar" "y "`, "eoh", `request atom "POST" star 1 0`, "closed")},
	{"http response", packet.HTTPBin, nil, "HTTP/1.0 404 Not  Found\nServer:x\n\nHTTP/1.1 200\r\n\r\nHTTP/1.1 \r\n", want(
		`response 1 0 404 "Not  Found"`, `header 30 atom "Server" "Server" "x"`, "eoh",
		`response 1 1 200 ""`, "eoh", `response 1 1 0 ""`, "closed")},
	{"http request without version", packet.HTTP, nil, "GET /\r\n", want(`request atom "GET" abs_path "/" 0 9`, "closed")},
	{"http with unknown methods", packet.HTTP, nil, "PATCH / HTTP/1.1\n\nget / HTTP/1.1\n", want(
		`request string "PATCH" abs_path "/" 1 1`, "eoh", `request string "get" abs_path "/" 1 1`, "closed")},
	{"http with an absolute URI", packet.HTTP, nil, "GET http://h:8080/p HTTP/1.1\n\nGET HTTPS://h HTTP/1.1\n\nGET http://h:x/ HTTP/1.1\n\nGET http:// HTTP/1.1\n", want(
		`request atom "GET" absolute "http" "h" 8080 "/p" 1 1`, "eoh", `request atom "GET" absolute "https" "h" 0 "/" 1 1`, "eoh",
		`request atom "GET" absolute "http" "h" 0 "/" 1 1`, "eoh", `request atom "GET" absolute "http" "" 0 "/" 1 1`, "closed")},
	{"http with other URIs", packet.HTTP, nil, "GET urn:a:b HTTP/1.1\n\nGET name HTTP/1.1\n\nGET x HTTP/1.1\n", want(
		`request atom "GET" scheme "urn" "a:b" 1 1`, "eoh", `request atom "GET" string "name" 1 1`, "eoh",
		`request atom "GET" abs_path "x" 1 1`, "closed")},
	{"http lines that are none", packet.HTTP, nil, "\r\nGET\nGET / HTTP/x\nHTTP/1\nGET / HTTP/1.1\nno colon\n a: b\na b: c\nDate:\n\n", want(
		`error "\r\n"`, `error "GET\n"`, `error "GET / HTTP/x\n"`, `error "HTTP/1\n"`, `request atom "GET" abs_path "/" 1 1`,
		`error "no colon\n a: b\n"`, `error "a b: c\n"`, `header 3 atom "Date" "Date" ""`, "eoh", "closed")},
	{"http header folded", packet.HTTPH, nil, "Via: a\r\n b\r\n\tc\r\nTE: d\r\n\r\n", want(
		`header 7 atom "Via" "Via" "a\r\n b\r\n\tc"`, `header 0 string "Te" "TE" "d"`, "eoh", "closed")},
	{"http header waits for the next byte", packet.HTTPH, nil, "Via: a\r\n", want("closed")},
	{"http empty line is not folded", packet.HTTPH, nil, "\r\n a:b\r\n\r\n", want("eoh", `error " a:b\r\n"`, "eoh", "closed")},
	{"httph always expects headers", packet.HTTPHBin, nil, "\nGET / HTTP/1.1\nA:b\n\n", want("eoh", `error "GET / HTTP/1.1\n"`, `header 0 string "A" "A" "b"`, "eoh", "closed")},
	{"http field names", packet.HTTPH, nil, ":x\n-a:b\na--b:c\nKEEP-ALIVE:d\n" + strings.Repeat("a-", 25) + ":e\n" + strings.Repeat("a-", 25) + "a:f\n\n", want(
		`header 0 string "" "" "x"`, `header 0 string "-a" "-a" "b"`, `header 0 string "A--b" "a--b" "c"`, `header 51 atom "Keep-Alive" "KEEP-ALIVE" "d"`,
		`header 0 string "`+strings.Repeat("A-", 25)+`" "`+strings.Repeat("a-", 25)+`" "e"`,
		`header 0 string "`+strings.Repeat("a-", 25)+`a" "`+strings.Repeat("a-", 25)+`a" "f"`, "eoh", "closed")},
	{"http line at the limit of the buffer", packet.HTTP, options(buffer(15)), "GET / HTTP/1.1\nA:0123456789a\n\n", want(
		`request atom "GET" abs_path "/" 1 1`, `header 0 string "A" "A" "0123456789a"`, "eoh", "closed")},
	{"http line beyond the buffer", packet.HTTP, options(buffer(14)), "GET / HTTP/1.1\n", want("emsgsize")},
	{"http header that fills the buffer", packet.HTTP, options(buffer(15)), "GET / HTTP/1.1\nA:0123456789ab\n\n", want(
		`request atom "GET" abs_path "/" 1 1`, "emsgsize")},
	{"http line beyond the buffer within the size", packet.HTTP, options(buffer(4), size(15)), "GET / HTTP/1.1\n\n", want(
		`request atom "GET" abs_path "/" 1 1`, "eoh", "closed")},
	{"http line beyond the size", packet.HTTP, options(size(14)), "GET / HTTP/1.1\n", want("emsgsize")},
	{"http unfinished line of the size", packet.HTTP, options(size(14)), "GET / HTTP/1.1", want("emsgsize")},
	{"http folded header beyond the size", packet.HTTPH, options(size(8)), "A: b\n c\nA: b\n cd\nA: b\n cde\n\n", want(
		`header 0 string "A" "A" "b\n c"`, "emsgsize")},

	{"ssl_tls", packet.SSLTLS, nil, "\x16\x03\x01\x00\x02ab\x17\x03\x03\x00\x00\x15", want(`tls 22 3 1 "ab"`, `tls 23 3 3 ""`, "closed")},
	{"ssl_tls with an SSL 2 hello", packet.SSLTLS, nil, "\x80\x05\x01\x03\x02ab\x80\x03\x01\x00\x02", want(
		`tls 22 3 2 "\x01\x00\x00\x04\x03\x02ab"`, `tls 22 0 2 "\x01\x00\x00\x02\x00\x02"`, "closed")},
	{"ssl_tls with an SSL 2 hello too short", packet.SSLTLS, nil, "\x80\x02\x01\x03\x02", want("emsgsize")},
	{"ssl_tls at the limit", packet.SSLTLS, options(size(2)), "\x16\x03\x01\x00\x02ab\x16\x03\x01\x00\x03abc", want(`tls 22 3 1 "ab"`, "emsgsize")},
}

func TestPackets(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			assert.Equal(t, r.want, read(t, r.setup().framer(), []byte(r.in)))
			byteByByte := make([]int, len(r.in))
			for i := range byteByByte {
				byteByByte[i] = 1
			}
			assert.Equal(t, r.want, read(t, r.setup().framer(), []byte(r.in), byteByByte...), "byte by byte")
		})
	}
}

// The table says what the stock driver does.
func TestDriverAgreesOnTable(t *testing.T) {
	o := startOracle(t)
	for _, r := range rows {
		got := o.receive(t, r.setup(), []packet.Mode{r.mode}, []byte(r.in))
		assert.Equal(t, strings.Join(r.want, " | "), got, r.name)
	}
}

func TestRaw(t *testing.T) {
	f := packet.New(packet.Raw)
	f.Size, f.Buffer = 1, 1
	p, n, need, err := f.Next([]byte("abc"))
	require.NoError(t, err)
	assert.Equal(t, []any{`bytes "abc"`, 3, 0}, []any{describe(p), n, need})
	_, n, need, err = f.Next(nil)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1}, []int{n, need})
}

func TestNeed(t *testing.T) {
	for _, c := range []struct {
		mode packet.Mode
		in   string
		need int
	}{
		{packet.One, "", 1},
		{packet.Two, "\x00", 1},
		{packet.Four, "", 4},
		{packet.Four, "\x00\x01", 2},
		{packet.Four, "\x00\x00\x00\x05a", 4},
		{packet.Four, "\x7f\xff\xff\xfb", 0x7ffffffb},
		{packet.ASN1, "", 2},
		{packet.ASN1, "\x1f\x81\x81", 2},
		{packet.ASN1, "\x30\x84\x00", 3},
		{packet.CDR, "GIOP", 8},
		{packet.FCGI, "\x01", 7},
		{packet.TPKT, "\x03", 3},
		{packet.SSLTLS, "\x16\x03\x01", 2},
		{packet.Line, "abc", 1},
		{packet.HTTP, "GET", 1},
	} {
		_, n, need, err := packet.New(c.mode).Next([]byte(c.in))
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.Equal(t, c.need, need, "%v %q", c.mode, c.in)
	}
	f := packet.New(packet.Four)
	f.Buffer = 3
	_, _, need, err := f.Next([]byte{0})
	require.NoError(t, err)
	assert.Equal(t, 2, need, "the error is due when the buffer is full")
}

// The state of HTTP belongs to the connection, and survives other modes.
func TestHTTPStateSurvivesModes(t *testing.T) {
	f := packet.New(packet.HTTP)
	data := []byte("GET / HTTP/1.1\r\nA: b\r\nline\n\x01xC: d\r\n\r\nE: f\r\n\r\nGET / HTTP/1.1\r\n")
	for _, step := range []struct {
		mode packet.Mode
		want string
	}{
		{packet.HTTP, `request atom "GET" abs_path "/" 1 1`},
		{packet.HTTPBin, `header 0 string "A" "A" "b"`},
		{packet.Line, `bytes "line\n"`},
		{packet.One, `bytes "x"`},
		{packet.HTTP, `header 0 string "C" "C" "d"`},
		{packet.HTTP, "eoh"},
		{packet.HTTPH, `header 0 string "E" "E" "f"`},
		{packet.HTTP, "eoh"},
		{packet.HTTP, `request atom "GET" abs_path "/" 1 1`},
	} {
		f.Mode = step.mode
		p, n, _, err := next(t, f, data)
		require.NoError(t, err)
		require.Equal(t, step.want, describe(p))
		data = data[n:]
	}
	assert.Empty(t, data)
}

func TestUnparsed(t *testing.T) {
	f := packet.New(packet.HTTP)
	f.Unparsed = true
	assert.Equal(t,
		want(`bytes "GET / HTTP/1.1\r\n"`, `bytes "A: b\r\n"`, `bytes " c\r\n"`, `bytes "\r\n"`, "closed"),
		read(t, f, []byte("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n")))
	assert.False(t, f.Headers)

	f.Mode = packet.HTTPH
	assert.Equal(t, want(`bytes "A: b\r\n c\r\n"`, `bytes "\r\n"`, "closed"), read(t, f, []byte("A: b\r\n c\r\n\r\n")))

	f.Mode = packet.SSLTLS
	assert.Equal(t,
		want(`bytes "\x16\x03\x01\x00\x01a"`, `bytes "\x80\x03\x01\x00\x02"`, "closed"),
		read(t, f, []byte("\x16\x03\x01\x00\x01a\x80\x03\x01\x00\x02")))
}

func TestIPv6Hosts(t *testing.T) {
	for _, c := range []struct{ uri, plain, literal string }{
		{"http://[::1]:80/", `"http" "[" 0 "/"`, `"http" "[::1]" 80 "/"`},
		{"http://[::1]/a", `"http" "[" 0 "/a"`, `"http" "[::1]" 0 "/a"`},
		{"http://[::1]", `"http" "[" 0 "/"`, `"http" "[::1]" 0 "/"`},
		{"http://[::1", `"http" "[" 0 "/"`, `"http" "[" 0 "/"`},
		{"http://[::1]:/", `"http" "[" 0 "/"`, `"http" "[::1]" 0 "/"`},
		{"http://[::1]:8x/", `"http" "[" 0 "/"`, `"http" "[::1]" 0 "/"`},
		{"http://[a]b:80/", `"http" "[a]b" 80 "/"`, `"http" "[a]" 0 "/"`},
		{"http://[a]:1:80/", `"http" "[a]" 0 "/"`, `"http" "[a]" 0 "/"`},
		{"http://a[:]:80/", `"http" "a[" 0 "/"`, `"http" "a[" 0 "/"`},
		{"http://h:80/", `"http" "h" 80 "/"`, `"http" "h" 80 "/"`},
		{"http://:80/", `"http" "" 80 "/"`, `"http" "" 80 "/"`},
	} {
		for _, ipv6 := range []bool{false, true} {
			f := packet.New(packet.HTTP)
			f.IPv6Hosts = ipv6
			host := c.plain
			if ipv6 {
				host = c.literal
			}
			p, _, _, err := f.Next([]byte("GET " + c.uri + " HTTP/1.1\n"))
			require.NoError(t, err)
			assert.Equal(t, `request atom "GET" absolute `+host+` 1 1`, describe(p), "%s, %v", c.uri, ipv6)
		}
	}
}

func TestAppendHeader(t *testing.T) {
	for _, c := range []struct {
		mode packet.Mode
		n    int
		want string
	}{
		{packet.One, 3, "\x03"},
		{packet.One, 300, "\x2c"},
		{packet.Two, 258, "\x01\x02"},
		{packet.Two, 65540, "\x00\x04"},
		{packet.Four, 0x01020304, "\x01\x02\x03\x04"},
		{packet.Raw, 3, ""},
		{packet.SunRM, 3, ""},
		{packet.Line, 3, ""},
		{packet.HTTP, 3, ""},
	} {
		f := packet.New(c.mode)
		assert.Equal(t, "<"+c.want, string(f.AppendHeader([]byte("<"), c.n)), "%v %d", c.mode, c.n)
		assert.Equal(t, len(c.want), packet.HeaderLen(c.mode))
	}
}

func TestModeString(t *testing.T) {
	assert.Equal(t, "raw", packet.Raw.String())
	assert.Equal(t, "4", packet.Four.String())
	assert.Equal(t, "httph_bin", packet.HTTPHBin.String())
	assert.Equal(t, "ssl_tls", packet.SSLTLS.String())
	assert.Equal(t, "mode(99)", packet.Mode(99).String())
	_, _, _, err := packet.New(99).Next([]byte("abc"))
	assert.EqualError(t, err, "packet mode(99): unknown mode")
}

// Appending to a packet must not write over the bytes behind it.
func TestDataHasNoSpareCapacity(t *testing.T) {
	buf := []byte("\x01a\x01b")
	p, n, _, err := packet.New(packet.One).Next(buf)
	require.NoError(t, err)
	_ = append(p.Data, 'X')
	assert.Equal(t, "\x01b", string(buf[n:]))
}
