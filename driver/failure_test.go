package driver

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// failing is a session whose messages stay in its buffer.
func failing(t *testing.T) (d *Session, log *bytes.Buffer) {
	log = &bytes.Buffer{}
	d = &Session{log: slog.New(slog.NewTextHandler(log, nil))}
	var err error
	d.stack, err = sockets.NewStack(sockets.Config{Log: d.log}, d)
	require.NoError(t, err)
	t.Cleanup(func() {
		d.stack.Stop()
		require.NoError(t, d.stack.Run()) // closes what is open
	})
	d.out = messageWriter{d: d, blocked: true}
	return d, log
}

// said takes the messages that have been gathered.
func said(t *testing.T, d *Session) (all []string) {
	d.out.batch.Close()
	for rest := d.out.batch.Buf; len(rest) > 0; {
		payload, n, err := portproto.NextFrame(rest, 1<<20)
		require.NoError(t, err)
		term, err := etf.Decode(payload)
		require.NoError(t, err)
		for _, m := range term.(etf.List) {
			all = append(all, etf.Format(m))
		}
		rest = rest[n:]
	}
	d.out.batch = portproto.Batch{}
	return all
}

// A failure in the handling of a command ends the socket that it was about, answers the
// call unless somebody has taken it on, and is logged. The others go on.
func TestAFailureStaysWithItsSocket(t *testing.T) {
	d, log := failing(t)
	d.greeted = true
	d.command(frameOf(t, "{call, 1, {listen, inet, {loopback, 0}, []}}")[portproto.FrameHeader:])
	d.command(frameOf(t, "{call, 2, {listen, inet, {loopback, 0}, []}}")[portproto.FrameHeader:])
	require.Equal(t, []string{"{reply,1,{ok,1}}", "{reply,2,{ok,2}}"}, said(t, d))

	fail := func(text string, take bool) {
		c, err := portproto.ReadCommand(frameOf(t, text)[portproto.FrameHeader:])
		require.NoError(t, err)
		defer d.contain(&c, d.taken)
		if s, ok := d.stack.Get(1); ok {
			d.current = s
		}
		if take {
			d.newCall(&c).fail(unix.EIO)
		}
		panic(errors.New("out of order"))
	}
	fail("{call, 3, {accept, 1, 0}}", false)
	assert.Equal(t, []string{"{gone,1,efault}", "{reply,3,{error,efault}}"}, said(t, d))
	assert.Contains(t, log.String(), "out of order")
	assert.Contains(t, log.String(), "failure_test.go", "the place is logged")

	fail("{call, 4, ping}", true)
	assert.Equal(t, []string{"{reply,4,{error,eio}}"}, said(t, d), "it has been answered")
	fail("ping", false)
	assert.Empty(t, said(t, d), "nobody asked")

	d.command(frameOf(t, "{call, 5, sockets}")[portproto.FrameHeader:])
	assert.Equal(t, []string{"{reply,5,{ok,[2]}}"}, said(t, d))
}
