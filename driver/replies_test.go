package driver

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// foreignTerms are terms of every type, as releases of OTP write and once wrote them.
func foreignTerms(t testing.TB) map[string]etf.RawTerm {
	terms := map[string]etf.RawTerm{}
	for _, release := range []string{"25", "27"} {
		f, err := os.Open("../etf/testdata/golden-otp" + release + ".txt")
		require.NoError(t, err)
		defer func() { _ = f.Close() }()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.SplitN(lines.Text(), "\t", 4)
			if strings.HasPrefix(lines.Text(), "#") || fields[1] == "refuses" {
				continue
			}
			term, err := hex.DecodeString(fields[2])
			require.NoError(t, err)
			// Compressed and local terms stand alone only.
			if tag := term[1]; tag != 80 && tag != 121 {
				terms[release+": "+fields[0]] = term[1:]
			}
		}
	}
	require.Greater(t, len(terms), 50)
	return terms
}

// Tags and owners come back as the very bytes that were sent, whatever they are.
func TestTagsAndOwnersComeBackAsTheyWere(t *testing.T) {
	p := greeted(t)
	id := 0
	for name, term := range foreignTerms(t) {
		ping := append([]byte("\x83\x68\x03\x77\x04call"), term...)
		p.write(framed(append(ping, "\x77\x04ping"...)))
		want := append([]byte("\x68\x03\x77\x05reply"), term...)
		assert.Equal(t, append(want, "\x68\x02\x77\x02ok\x77\x04pong"...), []byte(p.nextRaw()), name)

		listen := append([]byte("\x83\x68\x04\x77\x04call\x61\x01"), term...)
		p.write(framed(append(listen, frameOf(t, "{listen, inet, {loopback, 0}, []}")[portproto.FrameHeader+1:]...)))
		id++
		p.expect(fmt.Sprintf("{reply, 1, {ok, %d}}", id))
		p.send("{close, %d}", id)
		want = append([]byte("\x68\x03\x77\x02to"), term...)
		want = portproto.AppendEvent(want, "gone", 3, int64(id))
		assert.Equal(t, etf.AppendAtom(want, "normal"), []byte(p.nextRaw()), name)
	}
}

// What is sent to a socket comes back as these bytes exactly: a node may match them.
func TestFixedShapes(t *testing.T) {
	p := start(t, Config{}, "{hello, 1, #{send_credit => true}}")
	l := p.open("{listen, inet, {loopback, 0}, [binary, {active, false}]}")
	port := p.port(l)
	p.send("{call, 1, {connect, inet, {loopback, %d}, undefined, [binary], infinity}}", port)
	credit := p.nextRaw()
	assert.Equal(t, "\x68\x04\x77\x06credit\x62\x00\x00\x00\x02\x62\x00\x00\x00\x00\x62", string(credit[:21]))
	assert.Len(t, credit, 25)
	p.expect("{reply, 1, {ok, 2}}")
	p.send("{call, 1, {accept, 1, infinity}}")
	p.expect("{reply, 1, {ok, 3}}")
	p.nextRaw() // its credit

	p.send("{send, 2, \"hello\"}")
	p.send("{call, <<\"tag\">>, {recv, 3, 5, infinity}}")
	assert.Equal(t, "\x68\x03\x77\x05reply\x6d\x00\x00\x00\x03tag\x68\x02\x77\x02ok\x6d\x00\x00\x00\x05hello", string(p.nextRaw()))
	p.send("{send, 3, \"world\"}")
	assert.Equal(t, "\x68\x03\x77\x03tcp\x62\x00\x00\x00\x02\x6d\x00\x00\x00\x05world", string(p.nextRaw()))
	require.Equal(t, "ok", p.call("{setopts, 2, [{deliver, port}]}"))
	p.send("{send, 3, \"world\"}")
	assert.Equal(t, "\x68\x03\x77\x04data\x62\x00\x00\x00\x02\x6d\x00\x00\x00\x05world", string(p.nextRaw()))
}

// The forms of packets are those of erlang:decode_packet/3 and the BEAM's own reading of
// what is written here.
func TestPacketsAreWhatTheBEAMMakesOfThem(t *testing.T) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		t.Skip("no erl on the PATH: ", err)
	}
	rows := []struct{ mode, data string }{
		{"line", "a line\nmore"},
		{"http", "GET / HTTP/1.1\r\n"}, {"http_bin", "GET / HTTP/1.1\r\n"},
		{"http", "OPTIONS * HTTP/1.0\r\n"},
		{"http", "PURGE /a%20b?c=d#e HTTP/1.1\r\n"}, {"http_bin", "PURGE /a%20b?c=d#e HTTP/1.1\r\n"},
		{"http", "GET http://shop.example/x HTTP/1.1\r\n"}, {"http_bin", "GET https://shop.example:8443/x HTTP/1.1\r\n"},
		{"http", "CONNECT shop.example:443 HTTP/1.1\r\n"}, {"http_bin", "GET scheme:rest HTTP/1.1\r\n"},
		{"http", "GET relative HTTP/1.1\r\n"}, {"http", "GET /simple\r\n"},
		{"http", "HTTP/1.1 200 OK\r\n"}, {"http_bin", "HTTP/1.1 404 Not Found\r\n"}, {"http", "HTTP/1.0 204\r\n"},
		{"http", "nonsense\r\n"}, {"http_bin", "nonsense\r\n"},
		{"httph", "Host: shop\r\nX"}, {"httph_bin", "host: shop\r\nX"}, {"httph", "x-own-header:  two  words \r\nX"},
		{"httph_bin", "X-Own-Header: 1\r\nX"}, {"httph", "Accept:\r\nX"}, {"httph", "\r\n"}, {"httph_bin", "\r\nX"},
		{"httph", "nonsense\r\nX"}, {"httph_bin", "A: b\r\n c\r\nX"},
	}
	program := "Show = fun(R) -> io:format(\"~s~n\", [[io_lib:format(\"~2.16.0b\", [C]) || <<C>> <= term_to_binary(R)]]) end,"
	for _, r := range rows {
		program += fmt.Sprintf("case erlang:decode_packet(%s, <<16#%x:%d>>, []) of {ok, P%[4]x, _} -> Show(P%[4]x); _ -> Show(more) end,",
			r.mode, r.data, 8*len(r.data), program[:0]+fmt.Sprint(len(program)))
	}
	out, err := exec.Command(erl, "-noshell", "-eval", program+"halt(0).").Output()
	require.NoError(t, err, "%s", out)
	lines := strings.Fields(string(out))
	require.Len(t, lines, len(rows))

	p := start(t, Config{}, "{hello, 1, #{otp => 25}}")
	l := p.open("{listen, inet, {loopback, 0}, [binary, {active, false}]}")
	port := p.port(l)
	for i, r := range rows {
		b, err := hex.DecodeString(lines[i])
		require.NoError(t, err)
		term, err := etf.Decode(b)
		require.NoError(t, err)

		c := p.open("{connect, inet, {loopback, %d}, undefined, [{active, false}], infinity}", port)
		s := p.open("{accept, %d, infinity}", l)
		require.Equal(t, "ok", p.call("{setopts, %d, [{packet, %s}]}", s, r.mode))
		require.Equal(t, "ok", p.call("{send, %d, %s}", c, etf.Format([]byte(r.data))))
		assert.Equal(t, "{ok,"+etf.Format(term)+"}", p.call("{recv, %d, 0, infinity}", s), "%s: %q", r.mode, r.data)
	}
}

// Every form of a packet in bytes is read by the BEAM as what Format says of it.
func TestListsOfEveryLength(t *testing.T) {
	p := greeted(t)
	_, c, s := p.pair("[list, {active, false}]", "[binary, {active, false}, {header, 3}]")
	for _, n := range []int{1, 2, 3, 4, 255, 256, 65535, 65536, 100_000} {
		data := []byte(strings.Repeat("x", n))
		for from, to := range map[int]int{c: s, s: c} {
			p.write(framed(sendCommand(t, "sent", from, data)))
			p.expect("{reply, sent, ok}")
			p.lastTag++
			p.send("{call, {tag, %d}, {recv, %d, %d, infinity}}", p.lastTag, to, n)
			o := &etf.DecodeOptions{}
			term, err := o.DecodeRaw(p.nextRaw())
			require.NoError(t, err)
			got := term.(etf.Tuple)[2].(etf.Tuple)[1]
			var want etf.Term = etf.String(data)
			if to == c && n >= 3 {
				want = etf.ImproperList{Elements: []etf.Term{int64('x'), int64('x'), int64('x')}, Tail: data[3:]}
			}
			assert.True(t, etf.Equal(want, got), "%d octets to %d", n, to)
		}
	}
}
