package driver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// commandRow is a command with arguments that are right. L, C and S stand for a listener
// and the two ends of a connection.
type commandRow struct {
	name    string
	args    []string
	anyTerm map[int]bool // the places where any term is right
}

var commandRows = []commandRow{
	{name: "listen", args: []string{"inet", "{loopback, 0}", "[]"}},
	{name: "accept", args: []string{"L", "0"}},
	{name: "accept", args: []string{"L", "0", "hold"}},
	{name: "adopt", args: []string{"C"}},
	{name: "return", args: []string{"C"}},
	{name: "connect", args: []string{"inet", "{loopback, 1}", "undefined", "[]", "0"}},
	{name: "fdopen", args: []string{"inet", "0", "[]"}},
	{name: "send", args: []string{"C", "<<>>"}},
	{name: "send_part", args: []string{"C", "1", "0", "<<>>"}},
	{name: "ready", args: []string{"C"}},
	{name: "recv", args: []string{"C", "0", "0"}},
	{name: "unrecv", args: []string{"C", "<<>>"}},
	{name: "unread", args: []string{"C", "<<>>"}},
	{name: "told", args: []string{"C", "0"}},
	{name: "sendfile", args: []string{"C", "<<\"/nowhere\">>", "0", "0"}},
	{name: "sendfile_part", args: []string{"C", "<<>>"}},
	{name: "shutdown", args: []string{"L", "write"}},
	{name: "close", args: []string{"99"}},
	{name: "setopts", args: []string{"C", "[]"}},
	{name: "getopts", args: []string{"C", "[]"}},
	{name: "getstat", args: []string{"C", "[]"}},
	{name: "peername", args: []string{"C"}},
	{name: "sockname", args: []string{"C"}},
	{name: "info", args: []string{"C"}},
	{name: "sockets"},
	{name: "controlling_process", args: []string{"C", "me"}, anyTerm: map[int]bool{1: true}},
	{name: "ping"},
	{name: "goodbye"},
	{name: "credit", args: []string{"0"}},
	{name: "cancel", args: []string{"nothing"}, anyTerm: map[int]bool{0: true}},
	{name: "taken", args: []string{"C", "0", "0"}},
	{name: "settle", args: []string{"C", "0", "0"}},
	{name: "accept", args: []string{"L", "0", "hold", "[me]"}},
	{name: "fault_rule", args: []string{"17", "all", "[]"}},
	{name: "fault_remove", args: []string{"17"}},
	{name: "fault_clear"},
	{name: "fault_seed", args: []string{"17"}},
	{name: "fault_rules"},
	{name: "fault_info"},
	{name: "fault_log"},
	{name: "fault_log", args: []string{"clear"}},
	{name: "kin", args: []string{"C", "[me]"}},
}

func (r commandRow) with(args []string, ids *strings.Replacer) string {
	if len(args) == 0 {
		return r.name
	}
	replaced := make([]string, len(args))
	for i, a := range args {
		replaced[i] = a
		if len(a) == 1 {
			replaced[i] = ids.Replace(a)
		}
	}
	return "{" + r.name + ", " + strings.Join(replaced, ", ") + "}"
}

// The table has every command that is dispatched.
func TestCommandRowsAreComplete(t *testing.T) {
	named := map[string]bool{"hello": true}
	for _, r := range commandRows {
		named[r.name] = true
	}
	for _, row := range commands {
		assert.True(t, named[row.name], row.name)
	}
}

// refusing is a session with sockets to be refused on.
func refusing(t *testing.T) (*peer, *strings.Replacer) {
	p := greeted(t)
	l, c, s := p.pair("[{active, false}]", "[{active, false}]")
	return p, strings.NewReplacer("L", fmt.Sprint(l), "C", fmt.Sprint(c), "S", fmt.Sprint(s))
}

// badCommandPattern is {error, {bad_command, Text}} with a text.
const badCommandPattern = `^\{error,\{bad_command,<<"[^<>]+">>\}\}$`

// Each argument replaced by a term of the wrong type: one clear answer if it is called, one
// message if not, and the session goes on with the sockets that it had.
func TestWrongTypesAreRefused(t *testing.T) {
	p, ids := refusing(t)
	sockets := p.call("sockets")
	for _, r := range commandRows {
		for i := range r.args {
			for _, wrong := range []string{"{wrong}", "1.5", "[a|b]"} {
				if r.anyTerm[i] {
					continue
				}
				args := append([]string(nil), r.args...)
				args[i] = wrong
				command := r.with(args, ids)
				pattern := badCommandPattern
				if r.args[i] == "[]" {
					pattern = `^\{error,(\{bad_(command|option),.*\}|einval)\}$`
				}
				if r.name == "fault_rule" && i > 0 {
					pattern = `^\{error,\{bad_fault,.*\}\}$`
				}
				assert.Regexp(t, pattern, p.call("%s", command), command)
				p.send("%s", command)
				assert.Regexp(t, `^\{error,`, p.next(), command)
				require.Empty(t, p.alive(), command)
			}
		}
	}
	assert.Equal(t, sockets, p.call("sockets"))
}

func TestWrongNumbersOfArgumentsAreRefused(t *testing.T) {
	p, ids := refusing(t)
	for _, r := range commandRows {
		longer := append(append([]string(nil), r.args...), "0", "0", "0")
		for n := range longer {
			command := r.with(longer[:n], ids)
			if row := commandByName[r.name]; n >= row.least && n <= row.most {
				continue
			}
			result := p.call("%s", command)
			assert.Regexp(t, badCommandPattern, result, command)
			assert.Contains(t, result, fmt.Sprintf("not %d", n), command)
			p.send("%s", command)
			assert.Contains(t, p.next(), r.name+" takes ", command)
			require.Empty(t, p.alive(), command)
		}
	}
}

// Octets behind a command are an error before the command takes effect.
func TestTrailingOctetsAreRefused(t *testing.T) {
	p, ids := refusing(t)
	sockets := p.call("sockets")
	for _, r := range commandRows {
		command := r.with(r.args, ids)
		p.lastTag++
		call := frameOf(t, fmt.Sprintf("{call, {tag, %d}, %s}", p.lastTag, command))[portproto.FrameHeader:]
		p.write(framed(append(call, 97, 1)))
		assert.Regexp(t, badCommandPattern, p.result(), command)
		require.Empty(t, p.alive(), command)
	}
	assert.Equal(t, sockets, p.call("sockets"))
}

// A frame that is cut short inside of its command, too.
func TestCommandsCutShortAreRefused(t *testing.T) {
	p, ids := refusing(t)
	for _, r := range commandRows {
		command := r.with(r.args, ids)
		payload := frameOf(t, command)[portproto.FrameHeader:]
		for n := range payload {
			p.write(framed(payload[:n]))
			assert.Regexp(t, badCommandPattern, p.next(), "%s, %d octets", command, n)
		}
		require.Empty(t, p.alive(), command)
	}
}

func TestSocketsThatAreNotThere(t *testing.T) {
	p, ids := refusing(t)
	gone := p.open("{listen, inet, {loopback, 0}, []}")
	p.send("{close, %d}", gone)
	p.expect(fmt.Sprintf("{gone, %d, normal}", gone))
	for _, r := range commandRows {
		if len(r.args) == 0 || len(r.args[0]) != 1 || r.args[0] == "0" {
			continue
		}
		for _, id := range []string{"0", "-1", "4711", "1099511627776", fmt.Sprint(gone)} {
			command := r.with(append([]string{id}, r.args[1:]...), ids)
			assert.Equal(t, "{error,closed}", p.call("%s", command), command)
			p.send("%s", command)
			if id != fmt.Sprint(gone) {
				p.expect(fmt.Sprintf("{error, {closed, <<\"%s\">>}}", r.name))
			}
			require.Empty(t, p.alive(), command)
		}
	}
	for _, id := range []string{"99", fmt.Sprint(gone)} {
		assert.Equal(t, "ok", p.call("{close, %s}", id))
		p.send("{close, %s}", id)
		require.Empty(t, p.alive())
	}
	assert.Regexp(t, badCommandPattern, p.call("{send, 340282366920938463463374607431768211456, <<>>}"))
}

// Commands that make sense only when they are answered say so.
func TestCommandsThatMustBeCalled(t *testing.T) {
	p, ids := refusing(t)
	sockets := p.call("sockets")
	for _, r := range commandRows {
		command := r.with(r.args, ids)
		p.send("%s", command)
		said := p.alive()
		if commandByName[r.name].mustCall {
			assert.Equal(t, []string{fmt.Sprintf(`{error,{bad_command,<<"%s has to be called">>}}`, r.name)}, said, command)
		} else if r.name != "shutdown" {
			assert.Empty(t, said, command)
		}
	}
	assert.Equal(t, sockets, p.call("sockets"))
}

func TestFramesThatAreNoCommands(t *testing.T) {
	p := greeted(t)
	for _, payload := range [][]byte{
		{}, {131}, {130, 97, 1}, {131, 0}, {131, 97, 1}, {131, 106}, {131, 104, 0}, {131, 108, 255, 255, 255, 255},
		{131, 80, 0, 0, 0, 1, 1, 2, 3}, {131, 80, 255, 255, 255, 255, 0x78, 0x9c}, {131, 121, 1, 2}, []byte("GET / HTTP/1.1"),
		{131, 104, 3, 119, 4, 'c', 'a', 'l', 'l', 119, 1},
	} {
		p.write(framed(payload))
		assert.Regexp(t, badCommandPattern, p.next(), "% x", payload)
	}
	for text, want := range map[string]string{
		"dance":                      `{error,{bad_command,<<"unknown command \"dance\"">>}}`,
		"{dance, 1}":                 `{error,{bad_command,<<"unknown command \"dance\"">>}}`,
		"{call, 1, dance}":           `{reply,1,{error,{bad_command,<<"unknown command \"dance\"">>}}}`,
		"{call, 1, {dance, 2}}":      `{reply,1,{error,{bad_command,<<"unknown command \"dance\"">>}}}`,
		"{call, 1}":                  `{error,{bad_command,<<"unknown command \"call\"">>}}`,
		"{call, 1, 2, ping, 3}":      `{error,{bad_command,<<"unknown command \"call\"">>}}`,
		"{call, 1, {call, 2, ping}}": `{reply,1,{error,{bad_command,<<"unknown command \"call\"">>}}}`,
	} {
		p.send("%s", text)
		assert.Equal(t, want, p.next(), text)
	}
	for _, text := range []string{"{call, 1, 17}", "{call, 1, {}}", "{call, 1, owner, [ping]}"} {
		p.send("%s", text)
		assert.Regexp(t, `^\{reply,1,\{error,\{bad_command,<<"portproto: neither `, p.next(), text)
	}
	long := strings.Repeat("x", 255)
	assert.Less(t, len(p.call("%s", long)), 200, "a long name is cut")
	require.Empty(t, p.alive())
}

// A list of more elements than a command may have, and one that is nested too deep.
func TestCommandsBeyondTheLimits(t *testing.T) {
	p, ids := refusing(t)
	id := ids.Replace("C")
	send := func(data []byte) {
		b := etf.AppendAtom(etf.AppendTupleHeader([]byte{131}, 3), "call")
		b = etf.AppendAtom(etf.AppendTupleHeader(etf.AppendAtom(b, "long"), 3), "send")
		b = append(b, frameOf(t, id)[portproto.FrameHeader+1:]...)
		p.write(framed(append(b, data...)))
		assert.Contains(t, p.next(), "{reply,long,{error,{bad_command,")
		require.Empty(t, p.alive())
	}
	many := make([]byte, 1<<20+1)
	list := etf.AppendListHeader(nil, len(many))
	for _, c := range many {
		list = etf.AppendInt(list, int64(c))
	}
	send(etf.AppendNil(list))

	deep := []byte{}
	for range 2000 {
		deep = etf.AppendListHeader(deep, 1)
	}
	send(append(deep, strings.Repeat("j", 2001)...))
}

// The examples of PROTOCOL.md are commands that are understood: none is a bad_command.
func TestExamplesAreUnderstood(t *testing.T) {
	for name, e := range readExamples(t) {
		if !e.toGo || strings.Contains(name, "hello") || name == "fault_rule_bad" {
			continue
		}
		p := greeted(t)
		p.pair("[{active, false}]", "[{active, false}]")
		if name == "credit" { // more than is under way here
			continue
		}
		if c := strings.Replace(e.text, "17, [binary]", "170, [binary]", 1); c != e.text {
			p.send("%s", c)
		} else {
			p.write(e.frame)
		}
		for _, m := range p.alive() {
			assert.NotContains(t, m, "bad_", "%s: %s", name, e.text)
		}
	}
}
