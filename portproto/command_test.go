package portproto_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

func TestReadCommand(t *testing.T) {
	for _, row := range []struct {
		text       string
		name       string
		arity      int
		tag, owner string // Erlang text, empty if there is none
		args       string // of the command, as a list
	}{
		{text: "ping", name: "ping", arity: 1, args: "[]"},
		{text: "{ping}", name: "ping", arity: 1, args: "[]"},
		{text: "{close, 7}", name: "close", arity: 2, args: "[7]"},
		{text: "{send, 7, <<1, 2>>}", name: "send", arity: 3, args: "[7, <<1, 2>>]"},
		{text: "{call, 1, ping}", name: "ping", arity: 1, tag: "1", args: "[]"},
		{text: "{call, {a, [b]}, {close, 7}}", name: "close", arity: 2, tag: "{a, [b]}", args: "[7]"},
		{text: "{call, 1, me, {close, 7}}", name: "close", arity: 2, tag: "1", owner: "me", args: "[7]"},
		{text: "{call, #Ref<a@b.1.2.3.4>, #Pid<a@b.5.6.7>, sockets}", name: "sockets", arity: 1,
			tag: "#Ref<a@b.1.2.3.4>", owner: "#Pid<a@b.5.6.7>", args: "[]"},
		// These are names like others: whoever acts on them does not know them.
		{text: "call", name: "call", arity: 1, args: "[]"},
		{text: "{call, 1}", name: "call", arity: 2, args: "[1]"},
		{text: "{call, 1, 2, ping, more}", name: "call", arity: 5, args: "[1, 2, ping, more]"},
		{text: "{call, 1, {call, 2, ping}}", name: "call", arity: 3, tag: "1", args: "[2, ping]"},
		{text: "''", name: "", arity: 1, args: "[]"},
	} {
		c := read(t, row.text)
		assert.Equal(t, row.name, string(c.Name), row.text)
		assert.Equal(t, row.arity, c.Arity, row.text)
		assert.Equal(t, row.tag != "", c.Called, row.text)
		assert.Equal(t, row.owner != "", c.Owned, row.text)
		if row.tag != "" {
			assert.Equal(t, payload(t, row.tag)[1:], []byte(c.Tag), row.text)
		}
		if row.owner != "" {
			assert.Equal(t, payload(t, row.owner)[1:], []byte(c.Owner), row.text)
		}
		var args etf.List
		for range c.Arity - 1 {
			term, err := (&etf.DecodeOptions{}).DecodeRaw(c.Args.Raw())
			require.NoError(t, err, row.text)
			args = append(args, term)
		}
		require.NoError(t, c.Args.Finish(), row.text)
		want, err := etf.Parse(row.args)
		require.NoError(t, err)
		assert.True(t, etf.Equal(want, args), "%s: %s", row.text, etf.Format(args))
	}
}

func TestReadCommandRefuses(t *testing.T) {
	for _, row := range []struct {
		what   string
		frame  []byte
		called bool // the error can be answered
		err    error
	}{
		{"nothing", nil, false, etf.ErrTruncated},
		{"no term", []byte{131}, false, etf.ErrTruncated},
		{"another version byte", []byte{130, 97, 1}, false, etf.ErrVersion},
		{"no tag", []byte{131, 0}, false, etf.ErrTag},
		{"a name cut short", []byte{131, 119, 4, 'p'}, false, etf.ErrTruncated},
		{"a name that is no UTF-8", []byte{131, 119, 1, 0xff}, false, etf.ErrValue},
		{"a tuple that claims too much", []byte{131, 105, 255, 255, 255, 255, 119, 1, 'a'}, false, etf.ErrTruncated},
		{"an integer", payload(t, "1"), false, portproto.ErrNoCommand},
		{"a binary", payload(t, "<<\"ping\">>"), false, portproto.ErrNoCommand},
		{"an empty tuple", payload(t, "{}"), false, portproto.ErrNoCommand},
		{"a tuple without name", payload(t, "{1, 2}"), false, portproto.ErrNoCommand},
		{"a list", payload(t, "[ping]"), false, portproto.ErrNoCommand},
		{"a call of no command", payload(t, "{call, 1, 2}"), true, portproto.ErrNoCommand},
		{"a call of an empty tuple", payload(t, "{call, 1, {}}"), true, portproto.ErrNoCommand},
		{"a call cut short behind its tag", cut(payload(t, "{call, 1, ping}"), 6), true, etf.ErrTruncated},
		{"a call cut short in its tag", cut(payload(t, "{call, <<\"tag\">>, ping}"), 8), false, etf.ErrTruncated},
		{"an owned call cut short in its owner", cut(payload(t, "{call, 1, <<\"me\">>, ping}"), 8), false, etf.ErrTruncated},
	} {
		c, err := portproto.ReadCommand(row.frame)
		assert.ErrorIs(t, err, row.err, row.what)
		assert.Equal(t, row.called, c.Called, row.what)
		if row.called {
			assert.Equal(t, []byte{97, 1}, []byte(c.Tag), row.what)
		}
	}
}

// cut takes n octets off the end.
func cut(b []byte, n int) []byte { return b[:len(b)-n] }

// Every prefix of a command either is refused when it is read, or when its arguments are.
func TestReadCommandCutShort(t *testing.T) {
	for _, e := range readExamples(t) {
		if !e.toGo {
			continue
		}
		whole := e.frame[portproto.FrameHeader:]
		for n := range whole {
			c, err := portproto.ReadCommand(whole[:n])
			if err == nil {
				for range c.Arity - 1 {
					c.Args.Skip()
				}
				err = c.Args.Finish()
			}
			assert.ErrorIs(t, err, etf.ErrTruncated, "%s, %d octets of %d", e.name, n, len(whole))
		}
	}
}

func TestReadingAndWritingDoNotAllocate(t *testing.T) {
	send := exampleNamed(t, "send_called").frame
	buf := make([]byte, 0, 1024)
	allocs := testing.AllocsPerRun(100, func() {
		b, _, _ := portproto.NextFrame(send, portproto.DefaultMaxFrame)
		c, err := portproto.ReadCommand(b)
		if err != nil || c.Args.Int() != 2 {
			t.Fail()
		}
		out := portproto.Batch{Buf: buf}
		out.Begin()
		out.Buf = portproto.AppendError(portproto.AppendReply(out.Buf, c.Tag), "closed")
		out.End()
		out.Begin()
		out.Buf = portproto.AppendCredit(out.Buf, 1, 2, 3)
		out.End()
		out.Close()
	})
	assert.Zero(t, allocs)
}
