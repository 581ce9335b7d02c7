package driver

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// aheadHello is the greeting of a node that takes packets ahead.
const aheadHello = "{hello, 1, #{ahead => 131072}}"

// linesHello is that of one that parses http packets, too.
const linesHello = "{hello, 1, #{ahead => 131072, lines => true}}"

// lender is a session with a socket that has the options and is passive, and what is at the
// other end of its connection.
func lender(t testing.TB, greeting, options string) (p *peer, id int, conn *net.TCPConn) {
	t.Helper()
	p = start(t, Config{}, greeting)
	id, conn = p.outside(fmt.Sprintf("[{active, false}, %s]", options))
	return p, id, conn
}

// write writes all of a text at once, so that all of it is there when the first of it is.
func write(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	n, err := conn.Write([]byte(text))
	require.NoError(t, err)
	require.Equal(t, len(text), n)
}

// ones is a packet of {packet, 1} for each letter.
func ones(letters string) string {
	var b strings.Builder
	for _, c := range letters {
		b.WriteString("\x01" + string(c))
	}
	return b.String()
}

// list is a list of binaries, one for each letter.
func list(letters string) string {
	var all []string
	for _, c := range letters {
		all = append(all, fmt.Sprintf("<<%q>>", string(c)))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// lent is a session that has delivered packet a, of {packet, 1}, and lent one for each of the
// letters: it is loan 1.
func lent(t testing.TB, letters string) (p *peer, id int, conn *net.TCPConn) {
	t.Helper()
	p, id, conn = lender(t, aheadHello, "binary, {packet, 1}")
	write(t, conn, ones("a"+letters))
	require.Equal(t, `{ok,<<"a">>}`, p.call("{recv, %d, 0, infinity}", id))
	p.expectAhead(id, 1, list(letters))
	return p, id, conn
}

// expectAhead takes an ahead message, which must be the last of its frame.
func (p *peer) expectAhead(id, loan int, packets string) {
	p.t.Helper()
	p.expect(fmt.Sprintf("{ahead, %d, %d, %s}", id, loan, packets))
	require.Empty(p.t, p.queue, "messages behind it in the frame")
}

// count is how many packets the session takes for received, as getstat reports it after a settle.
func (p *peer) count(id, loan, taken int) string {
	p.t.Helper()
	return p.call("{settle, %d, %d, %d, {getstat, %[1]d, [recv_cnt, recv_oct]}}", id, loan, taken)
}

func counts(packets, octets int) string {
	return fmt.Sprintf("{ok,[{recv_cnt,%d},{recv_oct,%d}]}", packets, octets)
}

// The octets of an ahead message are these exactly: a node may match them.
func TestShapeOfPacketsAhead(t *testing.T) {
	p, id, conn := lender(t, aheadHello, "binary, {packet, 1}")
	p.send("{setopts, %d, [{active, once}]}", id)
	write(t, conn, "\x01a\x02bc\x00\x01d\x05part")
	p.expect(fmt.Sprintf(`{tcp, %d, <<"a">>}`, id))
	require.Len(t, p.queue, 1, "they share a frame")
	at := string(portproto.AppendID(nil, int64(id)))
	assert.Equal(t, "\x68\x04\x77\x05ahead"+at+"\x62\x00\x00\x00\x01\x6c\x00\x00\x00\x03"+
		"\x6d\x00\x00\x00\x02bc\x6d\x00\x00\x00\x00\x6d\x00\x00\x00\x01d\x6a", string(p.nextRaw()))
	require.Empty(t, p.alive(), "the part is not lent")
}

func TestShapeOfLinesAhead(t *testing.T) {
	p, id, conn := lender(t, linesHello, "{packet, http_bin}")
	p.send("{setopts, %d, [{active, once}]}", id)
	write(t, conn, "GET /1 HTTP/1.1\r\nHost: a\r\n b\r\n\r\nGET /2 HTTP/1.1\r\nHost: c\r\n")
	p.expect(fmt.Sprintf(`{http, %d, {lines, http_bin, 0, 1, <<"GET /1 HTTP/1.1\r\n.">>}}`, id))
	at := string(portproto.AppendID(nil, int64(id)))
	lines := "Host: a\r\n b\r\n\r\nGET /2 HTTP/1.1\r\n."
	assert.Equal(t, "\x68\x04\x77\x05ahead"+at+"\x62\x00\x00\x00\x01\x68\x05\x77\x05lines\x77\x08http_bin\x61\x01"+
		"\x62\x00\x00\x00\x03\x6d\x00\x00\x00"+string([]byte{byte(len(lines))})+lines, string(p.nextRaw()))
	require.Empty(t, p.queue, "messages behind it in the frame")

	// Headers are due according to what was taken.
	p.send("{settle, %d, 1, 2, {setopts, %[1]d, [{active, once}]}}", id)
	p.expect(fmt.Sprintf(`{http, %d, {lines, http_bin, 0, 1, <<"GET /2 HTTP/1.1\r\n.">>}}`, id))
	write(t, conn, "\r\n")
	p.send("{setopts, %d, [{active, once}]}", id)
	p.expect(fmt.Sprintf(`{http, %d, {lines, http_bin, 1, 1, <<"Host: c\r\n.">>}}`, id))
	p.expectAhead(id, 3, `{lines, http_bin, 1, 1, <<"\r\n.">>}`)
}

// Whatever mode has packets of its own names it.
func TestModesOfLinesAhead(t *testing.T) {
	for _, row := range []struct{ mode, first, due string }{
		{"http", "GET / HTTP/1.0\r\n", "1"}, {"http_bin", "GET / HTTP/1.0\r\n", "1"},
		{"httph", "A: b\r\n", "1"}, {"httph_bin", "A: b\r\n", "1"}, {"http", "nonsense\r\n", "0"},
	} {
		for _, form := range []string{"list", "binary"} {
			p, id, conn := lender(t, linesHello, fmt.Sprintf("%s, {packet, %s}", form, row.mode))
			write(t, conn, row.first+"C: d\r\n\r\n")
			require.Contains(t, p.call("{recv, %d, 0, infinity}", id), "{ok,{http_")
			p.expectAhead(id, 1, fmt.Sprintf(`{lines, %s, %s, 2, <<"C: d\r\n\r\n.">>}`, row.mode, row.due))
		}
	}
}

// An ahead message ends its frame, whatever else is written at the same time.
func TestAheadIsTheLastOfItsFrame(t *testing.T) {
	p, id, _ := lender(t, aheadHello, "binary, {packet, 1}")
	var commands []byte
	for _, c := range []string{
		fmt.Sprintf("{unrecv, %d, <<1, \"a\", 1, \"b\", 1, \"c\">>}", id), "{call, 1, ping}",
		fmt.Sprintf("{call, 2, {setopts, %d, [{active, once}]}}", id), "{call, 3, ping}",
	} {
		commands = append(commands, frameOf(t, c)...)
	}
	before := p.frames
	p.write(commands)
	p.expect("{reply, 1, {ok, pong}}", fmt.Sprintf(`{tcp, %d, <<"a">>}`, id))
	p.expectAhead(id, 2, list("bc"))
	assert.Equal(t, 1, p.frames-before)
	p.expect("{reply, 2, ok}", "{reply, 3, {ok, pong}}")
	assert.Equal(t, 2, p.frames-before)
}

// A long loan comes in messages of not much more than aheadFrame octets, and goes on when some
// of it is taken.
func TestALongLoan(t *testing.T) {
	const packets, size = 300, 1000
	p, id, conn := lender(t, "{hello, 1, #{ahead => 65536}}", "binary, {packet, 2}")
	var wire strings.Builder
	var want []string
	for i := range packets {
		fmt.Fprintf(&wire, "\x03\xe8%0*d", size, i)
		want = append(want, fmt.Sprintf(`<<"%0*d">>`, size, i))
	}
	got, loan, taken, open := 0, 0, 0, false
	take := func(m string) {
		if m == fmt.Sprintf("{recall,%d,%d}", id, loan) { // for the moment there is no more
			open = false
			return
		}
		head := fmt.Sprintf("{ahead,%d,%d,[", id, loan)
		require.True(t, strings.HasPrefix(m, head), "%.100s", m)
		ahead := strings.Split(strings.TrimSuffix(strings.TrimPrefix(m, head), "]}"), ",")
		require.Equal(t, want[got:got+len(ahead)], ahead)
		assert.LessOrEqual(t, len(ahead)*(size+5), aheadFrame+size+5, "octets of a message")
		got, taken = got+len(ahead), taken+len(ahead)
		p.send("{taken, %d, %d, %d}", id, loan, taken)
	}
	go func() { _, _ = conn.Write([]byte(wire.String())) }()
	for got < packets {
		if open {
			m := p.next()
			require.Empty(t, p.queue, "messages behind it in the frame")
			take(m)
			continue
		}
		require.Equal(t, "{ok,"+want[got]+"}", p.call("{recv, %d, 0, infinity}", id))
		got, loan, taken = got+1, loan+1, 0
		said := p.alive()
		open = len(said) > 0
		for _, m := range said {
			take(m)
		}
	}
	p.alive()
	assert.Equal(t, counts(packets, packets*(size+2)), p.count(id, loan, taken))
}

// A node that asks for more than maxAhead gets that.
func TestMaxAhead(t *testing.T) {
	for _, wanted := range []string{"1048577", "1099511627776", "18446744073709551615"} {
		p, id, _ := lender(t, "{hello, 1, #{ahead => "+wanted+"}}", "binary, {packet, 2}")
		const size = 10_000
		packet := append([]byte{size >> 8, size & 0xff}, make([]byte, size)...)
		b, err := etf.Marshal(etf.Tuple{etf.Atom("unrecv"), id, bytes.Repeat(packet, 300)})
		require.NoError(t, err)
		p.write(framed(b))
		require.Contains(t, p.call("{recv, %d, 0, 0}", id), "{ok,<<")
		octets := 0
		for _, m := range p.alive() {
			require.True(t, strings.HasPrefix(m, fmt.Sprintf("{ahead,%d,2,[", id)), "%.100s", m)
			octets += strings.Count(m, "<<") * len(packet)
		}
		assert.GreaterOrEqual(t, octets, maxAhead)
		assert.Less(t, octets, maxAhead+len(packet))
	}
}

// Whoever has not asked for packets ahead, or has asked for another form than they have, gets
// each of them when it is due.
func TestNothingAhead(t *testing.T) {
	two := ones("ab")
	http := "HTTP/1.0 200 OK\r\n\r\n"
	for _, row := range []struct{ greeting, options, input, second string }{
		{"{hello, 1}", "binary, {packet, 1}", two, `<<"b">>`},
		{"{hello, 1, #{ahead => 0}}", "binary, {packet, 1}", two, `<<"b">>`},
		{"{hello, 1, #{lines => true}}", "binary, {packet, 1}", two, `<<"b">>`},
		{"{hello, 1, #{lines => true}}", "binary, {packet, http}", http, "http_eoh"},
		{aheadHello, "list, {packet, 1}", two, `"b"`},
		{aheadHello, "list, {packet, line}", "a\nb\n", `"b\n"`},
		{aheadHello, "binary, {packet, 1}, {header, 1}", two, `[98|<<>>]`},
		{aheadHello, "binary, {packet, 1}, {deliver, port}", two, `<<"b">>`},
		{aheadHello, "binary, {packet, http_bin}", http, "http_eoh"},
		{linesHello, "binary, {packet, ssl_tls}", "\x16\x03\x03\x00\x01a\x16\x03\x03\x00\x01b", `{ssl_tls,1,22,{3,3},<<"b">>}`},
		// A node that has no room for messages is sent none that it has not asked for.
		{"{hello, 1, #{ahead => 131072, window => 1}}", "binary, {packet, 1}", two, `<<"b">>`},
	} {
		name := row.greeting + " " + row.options
		p, id, conn := lender(t, row.greeting, row.options)
		write(t, conn, row.input)
		require.Contains(t, p.call("{recv, %d, 0, infinity}", id), "{ok,", name)
		assert.Empty(t, p.alive(), name)
		assert.Equal(t, "{ok,"+row.second+"}", p.call("{recv, %d, 0, 0}", id), name)
		assert.Equal(t, counts(2, len(row.input)), p.call("{getstat, %d, [recv_cnt, recv_oct]}", id), name)
	}
}

// The messages about a loan of an owned socket are for its owner.
func TestPacketsAheadForAnOwner(t *testing.T) {
	p, id, conn := lender(t, aheadHello, "binary, {packet, 1}")
	require.Equal(t, "ok", p.call("{controlling_process, %d, shop}", id))
	write(t, conn, ones("abc"))
	p.send("{setopts, %d, [{active, once}]}", id)
	p.expect(fmt.Sprintf(`{to, shop, {tcp, %d, <<"a">>}}`, id), fmt.Sprintf("{to, shop, {ahead, %d, 1, %s}}", id, list("bc")))
	require.Empty(t, p.queue, "messages behind it in the frame")
	said := p.failedSend(conn, fmt.Sprintf("{send, %d, \"x\"}", id))
	assert.Equal(t, []string{fmt.Sprintf("{to,shop,{recall,%d,1}}", id)}, said)
}

// askRows are the commands that end a loan, for a socket I that has packets b, c and d on loan:
// what they answer if nothing of it was taken, and after b was, and what they put before the rest.
var askRows = []struct{ name, command, bare, settled, before string }{
	{"setopts", "{setopts, I, [{send_timeout, 1000}]}", "ok", "ok", ""},
	{"getopts", "{getopts, I, [active]}", "{ok,[{active,false}]}", "{ok,[{active,false}]}", ""},
	{"recv", "{recv, I, 0, 0}", `{ok,<<"b">>}`, `{ok,<<"c">>}`, ""},
	{"unrecv", "{unrecv, I, <<1,\"u\">>}", "ok", "ok", "u"},
	{"unread", "{unread, I, <<\"v\">>}", "ok", "ok", "v"},
	{"getstat", "{getstat, I, [recv_cnt, recv_oct]}", counts(1, 2), counts(2, 4), ""},
	{"info", "{info, I}", "recv_cnt => 1,", "recv_cnt => 2,", ""},
	// Outcomes that are errors are outcomes.
	{"setopts", "{setopts, I, [nonsense]}", "{error,{bad_option,nonsense}}", "{error,{bad_option,nonsense}}", ""},
	{"recv", "{recv, I, 5, 0}", "{error,einval}", "{error,einval}", ""},
}

// rest receives packets until there are no more. Of what is lent meanwhile it takes nothing.
func (p *peer) rest(id int) string {
	p.t.Helper()
	for all := ""; ; {
		for _, m := range p.alive() {
			require.Contains(p.t, m, fmt.Sprintf("{ahead,%d,", id))
		}
		result := p.call("{recv, %d, 0, 0}", id)
		if result == "{error,timeout}" {
			return all
		}
		data, ok := strings.CutPrefix(result, `{ok,<<"`)
		require.True(p.t, ok, result)
		all += strings.TrimSuffix(data, `">>}`)
	}
}

// Each of them takes effect after the loan, and what was not taken is input as before.
func TestCommandsThatEndALoan(t *testing.T) {
	named := map[string]bool{}
	for _, r := range askRows {
		named[r.name] = true
		p, id, _ := lent(t, "bcd")
		command := strings.Replace(r.command, "I", fmt.Sprint(id), 1)
		result, left := p.call("%s", command), r.before+"bcd"
		assert.Contains(t, result, r.bare, command)
		if strings.HasPrefix(result, "{ok,<<") {
			left = "cd"
		}
		assert.Equal(t, left, p.rest(id), command)

		p, id, _ = lent(t, "bcd")
		command = fmt.Sprintf("{settle, %d, 1, 1, %s}", id, strings.Replace(r.command, "I", fmt.Sprint(id), 1))
		result, left = p.call("%s", command), r.before+"cd"
		assert.Contains(t, result, r.settled, command)
		if strings.HasPrefix(result, "{ok,<<") {
			p.expectAhead(id, 2, list("d"))
			left = "d"
		}
		assert.Equal(t, left, p.rest(id), command)
	}
	for _, row := range commands {
		assert.Equal(t, row.asks, named[row.name], row.name)
	}
}

// A settle on its own ends the loan and is answered if it is called; a command within it that is
// not called is not answered either, unless it fails.
func TestSettle(t *testing.T) {
	p, id, _ := lent(t, "bcdefg")
	assert.Equal(t, "ok", p.call("{settle, %d, 1, 1}", id))
	assert.Equal(t, `{ok,<<"c">>}`, p.call("{recv, %d, 0, 0}", id))
	p.expectAhead(id, 3, list("defg"))
	p.send("{settle, %d, 3, 1}", id)
	require.Empty(t, p.alive())
	p.send("{settle, %d, 4, 0, {setopts, %[1]d, [{active, once}]}}", id)
	p.expect(fmt.Sprintf(`{tcp, %d, <<"e">>}`, id))
	p.expectAhead(id, 5, list("fg"))
	p.send("{settle, %d, 5, 1, {getopts, %[1]d, []}}", id)
	p.expect(`{error, {bad_command, <<"getopts has to be called">>}}`)
	p.send("{settle, %d, 6, 0, {setopts, %[1]d, [nonsense]}}", id)
	p.expect("{error, {bad_option, nonsense}}")
	assert.Equal(t, `{ok,<<"g">>}`, p.call("{recv, %d, 0, 0}", id))
	assert.Equal(t, counts(7, 14), p.count(id, 8, 0))
}

// A loan that is not the open one has not been taken from.
func TestSettleOfAnotherLoan(t *testing.T) {
	for _, loan := range []int{0, 2, 65535} {
		p, id, _ := lent(t, "bcd")
		p.send("{taken, %d, %d, 2}", id, loan)
		require.Empty(t, p.alive())
		assert.Equal(t, counts(1, 2), p.count(id, loan, 2))
		assert.Equal(t, `{ok,<<"b">>}`, p.call("{recv, %d, 0, 0}", id))
	}
	p, id, _ := lent(t, "bcd")
	assert.Equal(t, counts(3, 6), p.count(id, 1, 2))
	assert.Equal(t, counts(3, 6), p.count(id, 1, 2), "said again")
	assert.Equal(t, counts(3, 6), p.count(id, 3, 1), "there is no loan now")
	assert.Equal(t, `{ok,<<"d">>}`, p.call("{recv, %d, 0, 0}", id))
	assert.Equal(t, "{error,timeout}", p.call("{settle, %d, 5, 100, {recv, %[1]d, 0, 0}}", id))
}

// A report makes room for more of the same loan, which comes before its answer. With nothing
// left the loan ends.
func TestTaken(t *testing.T) {
	p, id, conn := lender(t, "{hello, 1, #{ahead => 6}}", "binary, {packet, 1}")
	write(t, conn, ones("abcdefgh"))
	require.Equal(t, `{ok,<<"a">>}`, p.call("{recv, %d, 0, infinity}", id))
	p.expectAhead(id, 1, list("bcd"))
	p.send("{taken, %d, 1, 0}", id)
	require.Empty(t, p.alive())
	p.send("{taken, %d, 1, 1}", id)
	p.expectAhead(id, 1, list("e"))
	p.send("{call, 1, {taken, %d, 1, 3}}", id)
	p.expectAhead(id, 1, list("fg"))
	p.expect("{reply, 1, ok}")
	p.send("{taken, %d, 1, 6}", id)
	p.expectAhead(id, 1, list("h"))
	p.send("{call, 2, {taken, %d, 1, 7}}", id)
	p.expect(fmt.Sprintf("{recall, %d, 1}", id), "{reply, 2, ok}")
	write(t, conn, ones("i"))
	p.send("{taken, %d, 1, 8}", id)
	require.Empty(t, p.alive(), "what comes then is for who asks")
	assert.Equal(t, counts(8, 16), p.count(id, 1, 7))
	assert.Equal(t, `{ok,<<"i">>}`, p.call("{recv, %d, 0, infinity}", id))
}

// settle and taken are refused with one clear answer, and then nothing of the loan is taken.
func TestLoansThatAreRefused(t *testing.T) {
	p, id, _ := lent(t, "bcd")
	const misfit, noInteger = "the integer does not fit in a uint64", "is no integer"
	for command, why := range map[string]string{
		"{taken, I, 65536, 1}":                    "no loan has the number 65536, or 1 packets",
		"{taken, I, 1, 1048576}":                  "no loan has the number 1, or 1048576 packets",
		"{taken, I, 18446744073709551615, 1}":     "no loan has the number 18446744073709551615, or 1 packets",
		"{settle, I, 65536, 1}":                   "no loan has the number 65536, or 1 packets",
		"{settle, I, 1, 1048576}":                 "no loan has the number 1, or 1048576 packets",
		"{settle, I, 65536, 1, {recv, I, 0, 0}}":  "no loan has the number 65536, or 1 packets",
		"{settle, I, 1, 4294967296, {info, I}}":   "no loan has the number 1, or 4294967296 packets",
		"{taken, I, -1, 1}":                       misfit,
		"{taken, I, 1, -1}":                       misfit,
		"{taken, I, 1, 18446744073709551616}":     misfit,
		"{settle, I, -1, 1}":                      misfit,
		"{settle, I, 1, -1, {recv, I, 0, 0}}":     misfit,
		"{taken, I, one, 1}":                      noInteger,
		"{taken, I, 1, <<1>>}":                    noInteger,
		"{settle, I, 1, 1.0, {recv, I, 0, 0}}":    noInteger,
		"{settle, I, one, 1, {recv, I, 0, 0}}":    noInteger,
		"{taken, one, 1, 1}":                      "the socket of taken is not an integer",
		"{settle, <<1>>, 1, 1}":                   "the socket of settle is not an integer",
		"{taken, I, 1}":                           "taken takes 3 arguments, not 2",
		"{settle, I, 1}":                          "settle takes 3 or 4 arguments, not 2",
		"{settle, I, 1, 1, {info, I}, {info, I}}": "settle takes 3 or 4 arguments, not 5",
	} {
		p.refused(strings.ReplaceAll(command, "I", fmt.Sprint(id)), why)
	}
	assert.Equal(t, counts(1, 2), p.call("{getstat, %d, [recv_cnt, recv_oct]}", id))
	assert.Equal(t, "bcd", p.rest(id))
}

var offset = regexp.MustCompile(`at offset \d+`)

// refused says that a command is refused, whether it is called or not, and no more is said.
func (p *peer) refused(command, why string) {
	p.t.Helper()
	result := p.call("%s", command)
	assert.Regexp(p.t, badCommandPattern, result, command)
	assert.Contains(p.t, strings.ReplaceAll(result, `\"`, `"`), why, command)
	require.Empty(p.t, p.alive(), command)
	p.send("%s", command)
	said := p.alive()
	require.Len(p.t, said, 1, command)
	assert.Equal(p.t, offset.ReplaceAllString(result, ""), offset.ReplaceAllString(said[0], ""), command)
}

// What follows a settle has to be a command that ends a loan, of the same socket.
func TestCommandsThatSettleDoesNotGoBefore(t *testing.T) {
	p, id, _ := lent(t, "bcd")
	other, _ := p.outside("[{active, false}]")
	ids := strings.NewReplacer("I", fmt.Sprint(id), "O", fmt.Sprint(other))
	for command, why := range map[string]string{
		"{send, I, <<>>}":         `not before "send"`,
		"{close, I}":              `not before "close"`,
		"{peername, I}":           `not before "peername"`,
		"{shutdown, I, write}":    `not before "shutdown"`,
		"{taken, I, 1, 1}":        `not before "taken"`,
		"{settle, I, 1, 1}":       `not before "settle"`,
		"{call, 1, {info, I}}":    `not before "call"`,
		"{dance, I}":              `not before "dance"`,
		"ping":                    `not before "ping"`,
		"17":                      "neither ",
		"{}":                      "neither ",
		"{recv, O, 0, 0}":         "settle and its command are about two sockets",
		"{setopts, O, []}":        "settle and its command are about two sockets",
		"{recv, one, 0, 0}":       "the socket of recv is not an integer",
		"{recv, I, 0}":            "recv takes 3 or 4 arguments, not 2",
		"info":                    "info takes 1 argument, not 0",
		"{unread, I, {no, data}}": "the packet of unread",
		"{unrecv, I, {no, data}}": "the data of unrecv",
	} {
		p.refused(ids.Replace("{settle, I, 1, 0, "+command+"}"), why)
	}
	assert.Regexp(t, badCommandPattern, p.call("{settle, %d, 1, 0, {recv, %[1]d, minus, 0}}", id))
	assert.Equal(t, "{error,closed}", p.call("{settle, %d, 1, 0, {recv, 4711, 0, 0}}", id))
	assert.Equal(t, "bcd", p.rest(id))
	assert.Equal(t, "", p.rest(other))
}

// failedSend resets a connection from its other end and sends until that is known: what is said then.
func (p *peer) failedSend(conn *net.TCPConn, send string) []string {
	p.t.Helper()
	require.NoError(p.t, conn.SetLinger(0))
	require.NoError(p.t, conn.Close())
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		p.send("%s", send)
		said := p.alive()
		if len(said) > 0 && said[0] != "{reply,1,ok}" {
			return said
		}
		require.True(p.t, time.Now().Before(end), "no send has failed")
	}
}

// A connection that fails by a send takes its loan with it, before the send is answered.
func TestRecall(t *testing.T) {
	for _, called := range []bool{true, false} {
		p, id, conn := lent(t, "bcd")
		send := fmt.Sprintf("{send, %d, \"x\"}", id)
		want := []string{fmt.Sprintf("{recall,%d,1}", id)}
		if called {
			send = "{call, 1, " + send + "}"
			want = append(want, "{reply,1,{error,closed}}")
		}
		assert.Equal(t, want, p.failedSend(conn, send))
		assert.Equal(t, counts(1, 2), p.count(id, 1, 2), "it is void")
		assert.Equal(t, "{error,closed}", p.call("{recv, %d, 0, 0}", id))
		assert.Equal(t, "{error,enotconn}", p.call("{recv, %d, 0, 0}", id))
	}
}

// A socket that has gone needs no recall, and the end of a stream is for the one who asks.
func TestEndsWithoutRecall(t *testing.T) {
	p, id, _ := lent(t, "bcd")
	p.send("{call, 1, {close, %d}}", id)
	p.expect(fmt.Sprintf("{gone, %d, normal}", id), "{reply, 1, ok}")
	p.send("{taken, %d, 1, 2}", id)
	p.send("{settle, %d, 1, 2, {setopts, %[1]d, [{active, once}]}}", id)
	require.Empty(t, p.alive())

	p, id, conn := lent(t, "b")
	require.NoError(t, conn.Close())
	require.Empty(t, p.alive())
	p.send("{settle, %d, 1, 1, {setopts, %[1]d, [{active, once}]}}", id)
	p.expect(fmt.Sprintf("{tcp_closed, %d}", id), fmt.Sprintf("{gone, %d, normal}", id))
}
