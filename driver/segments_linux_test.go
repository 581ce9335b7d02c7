package driver

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Small sends that come together leave together.
func TestManySendsAreOneWrite(t *testing.T) {
	p := greeted(t)
	id, conn := p.outside("[{active, false}, {nodelay, true}]")
	segments := func() uint32 {
		c, err := conn.SyscallConn()
		require.NoError(t, err)
		var info *unix.TCPInfo
		require.NoError(t, c.Control(func(fd uintptr) {
			info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		}))
		require.NoError(t, err)
		return info.Data_segs_in
	}
	before := segments()
	var commands []byte
	for i := range 100 { // less than a pipe takes at once
		commands = append(commands, framed(uncalledSend(t, id, []byte(fmt.Sprintf("%02d", i))))...)
	}
	require.Less(t, len(commands), 4096)
	p.write(commands)
	got := make([]byte, 200)
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	for i := range 100 {
		require.Equal(t, fmt.Sprintf("%02d", i), string(got[2*i:2*i+2]))
	}
	assert.EqualValues(t, 1, segments()-before, "segments")
}
