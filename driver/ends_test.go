package driver

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/portproto"
)

// The end of stdin ends the session, whatever it is about to do, as soon as peers have taken what was
// sent to them.
func TestEndOfStdin(t *testing.T) {
	states := map[string]func(p *peer){
		"listening": func(p *peer) { p.open("{listen, inet, {loopback, 0}, []}") },
		"connected": func(p *peer) { p.pair("[]", "[]") },
		"connecting": func(p *peer) {
			p.send("{call, waits, {connect, inet, {loopback, %d}, undefined, [], infinity}}", unanswered(p.t))
			p.alive()
		},
		"held": func(p *peer) {
			l := p.open("{listen, inet, {loopback, 0}, []}")
			p.open("{connect, inet, {loopback, %d}, undefined, [], infinity}", p.port(l))
			p.open("{accept, %d, infinity, hold}", l)
		},
		"closing behind its output": func(p *peer) {
			id, _ := p.full("first")
			p.send("{call, closing, {close, %d}}", id)
			p.alive()
		},
		"flushing in the background": func(p *peer) {
			id, _ := p.full("first")
			p.send("{close, %d}", id)
			p.alive()
		},
		"sending a file": func(p *peer) {
			file := p.t.TempDir() + "/file"
			require.NoError(p.t, os.WriteFile(file, nil, 0o600))
			require.NoError(p.t, os.Truncate(file, 100<<20))
			id, _ := p.outside("[]")
			p.send("{call, waits, {sendfile, %d, %q, 0, 0}}", id, file)
			p.alive()
		},
		"with nobody reading stdout": func(p *peer) {
			id, conn := p.outside("[binary, {active, true}]")
			flood(conn)
			for range 1000 {
				p.send("{getopts, %d, [active]}", id)
			}
		},
	}
	for name, begin := range waiting {
		states["waiting in "+name] = func(p *peer) { begin(p); p.alive() }
	}
	for name, begin := range states {
		t.Run(name, func(t *testing.T) {
			p := greeted(t)
			begin(p)
			require.NoError(t, p.in.Close())
			for _, conn := range p.others {
				go drain(conn)
			}
			assert.NoError(t, p.end())
		})
	}
	t.Run("before any hello", func(t *testing.T) {
		p := start(t, Config{}, "")
		require.NoError(t, p.in.Close())
		assert.NoError(t, p.end())
		assert.Contains(t, p.next(), "{hello,1,", "it has said its own")
	})
}

// What the session was asked before the end it does and answers.
func TestCommandsBeforeTheEnd(t *testing.T) {
	p := greeted(t)
	p.write(append(frameOf(t, "{call, 1, ping}"), frameOf(t, "{call, 2, sockets}")...))
	require.NoError(t, p.in.Close())
	p.expect("{reply, 1, {ok, pong}}", "{reply, 2, {ok, []}}")
	assert.NoError(t, p.end())
	assert.ErrorIs(t, p.fill(patience), io.EOF)
}

// A reader of stdout that has gone ends the session with the next message.
func TestStdoutClosed(t *testing.T) {
	p := greeted(t)
	id, conn := p.outside("[binary, {active, true}]")
	require.Empty(t, p.alive())
	require.NoError(t, p.out.Close())
	_, err := conn.Write([]byte("to nobody"))
	require.NoError(t, err)
	assert.NoError(t, p.end())
	_, err = conn.Read(make([]byte, 1))
	assert.Error(t, err, "socket %d is still open", id)
}

// The same in the middle of a payload that is written from where it lies.
func TestStdoutClosedUnderLoad(t *testing.T) {
	p := greeted(t)
	_, conn := p.outside("[binary, {active, true}]")
	flood(conn)
	_, err := io.ReadFull(p.out, make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, p.out.Close())
	assert.NoError(t, p.end())
}

func TestHelloMismatch(t *testing.T) {
	for greeting, row := range map[string]struct{ says, log string }{
		"{hello, 2}":                          {"{error, {version, 1}}", "version 2"},
		"{hello, 0, #{}}":                     {"{error, {version, 1}}", "version 0"},
		"{hello, 2, {quite, another, shape}}": {"{error, {version, 1}}", "version 2"},
		"ping":                                {"{error, hello_expected}", "ping"},
		"{call, 1, {hello, 1}}":               {"{error, hello_expected}", "hello"},
		"hello":                               {"{error, hello_expected}", "hello"},
		"{hello, 1, #{}, more}":               {"{error, hello_expected}", "hello"},
		"{listen, inet, {any, 0}, []}":        {"{error, hello_expected}", "listen"},
	} {
		p := start(t, Config{}, greeting)
		p.expect(row.says)
		err := p.end()
		assert.ErrorIs(t, err, ErrHello, greeting)
		assert.ErrorContains(t, err, row.log, greeting)
		assert.ErrorIs(t, p.fill(patience), io.EOF, "%s: more was said", greeting)
	}
}

// Commands that follow a hello that is refused are not carried out.
func TestNothingIsDoneAfterARefusedHello(t *testing.T) {
	p := start(t, Config{}, "")
	p.next()
	p.write(append(frameOf(t, "{hello, 7}"), frameOf(t, "{call, 1, ping}")...))
	p.expect("{error, {version, 1}}")
	assert.ErrorIs(t, p.fill(patience), io.EOF)
	assert.ErrorIs(t, p.end(), ErrHello)
}

func TestBrokenFrameStreams(t *testing.T) {
	for name, octets := range map[string]string{
		"a frame too long":     "\x00\x00\x04\x01",
		"the longest length":   "\xff\xff\xff\xff",
		"text":                 "GET / HTTP/1.1\r\n\r\n",
		"half a length":        "\x00\x00",
		"a length and no more": "\x00\x00\x00\x05",
		"half a frame":         "\x00\x00\x00\x05\x83h",
	} {
		for _, greeting := range []string{"", "{hello, 1}"} {
			p := start(t, Config{MaxFrame: 1024}, greeting)
			if greeting != "" {
				p.write(append(frameOf(t, "{call, 1, ping}"), octets...))
				p.expect("{reply, 1, {ok, pong}}")
			} else {
				p.write([]byte(octets))
			}
			_ = p.in.Close()
			assert.ErrorIs(t, p.end(), ErrStream, name)
		}
	}
	p := start(t, Config{MaxFrame: 1024}, "{hello, 1}")
	p.write([]byte("\x00\x00\x04\x01"))
	assert.EqualError(t, p.end(), "driver: the stream of frames is broken: portproto: a frame of 1025 octets, at most 1024 are allowed")

	p = start(t, Config{MaxFrame: 1024}, "{hello, 1}")
	longest := frameOf(t, "{call, \""+strings.Repeat("x", 1006)+"\", ping}")
	require.Len(t, longest, portproto.FrameHeader+1024)
	p.write(longest)
	assert.Contains(t, p.next(), "pong", "the longest frame is taken")
}

// Descriptors that cannot be watched are reported, and nothing is left open.
func TestDescriptorsThatAreNoPipes(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _, _ = r.Close(), w.Close() }()
	log := slog.New(slog.DiscardHandler)
	assert.ErrorContains(t, Run(Config{Log: log}, int(file.Fd()), int(w.Fd())), "watch stdin, which must be a pipe")
	assert.ErrorContains(t, Run(Config{}, int(r.Fd()), int(file.Fd())), "watch stdout, which must be a pipe")
	err = Run(Config{}, -1, int(w.Fd()))
	assert.True(t, errors.Is(err, unix.EBADF), "%v", err)
}
