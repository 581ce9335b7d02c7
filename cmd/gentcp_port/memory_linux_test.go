package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Peers send frames that they do not finish. What that costs is near what they have
// sent, with the frames that came before being garbage, and it is given back when they go.
func TestUnfinishedFrames(t *testing.T) {
	const (
		conns    = 40
		received = 4<<20 + 4096 // of each frame, of which a header declares 64 MB
		sum      = conns * received
	)
	p := greeted(t, "exec $0")
	port := p.listen()
	p.send("{call, 3, {setopts, 1, [binary, {packet, 4}, {packet_size, 67108864}]}}")
	require.Equal(t, "[{reply,3,ok}]", p.next())
	idle := p.resident()

	var peers []net.Conn
	piece := bytes.Repeat([]byte("unfinished"), received/10+1)[:received]
	for range conns {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		require.NoError(t, err)
		defer c.Close()
		peers = append(peers, c)
		p.send("{call, 4, {accept, 1, infinity}}")
		var id int
		answer := p.next()
		_, err = fmt.Sscanf(answer, "[{reply,4,{ok,%d}}]", &id)
		require.NoError(t, err, answer)
		p.send(fmt.Sprintf("{call, 5, {setopts, %d, [{active, true}]}}", id))
		require.Equal(t, "[{reply,5,ok}]", p.next())
		// Churn: a finished frame before the one that is not.
		_, err = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(piece))), piece...))
		require.NoError(t, err)
		message := p.next()
		require.True(t, strings.HasPrefix(message, fmt.Sprintf("[{tcp,%d,", id)), "%.60s", message)
		_, err = c.Write(append(binary.BigEndian.AppendUint32(nil, 64<<20), piece...))
		require.NoError(t, err)
	}
	// The last of it is in the kernel's buffers, which are a small part, or has been read.
	for limit := time.Now().Add(patience); p.resident() < sum/4*3; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(limit), "they are not kept")
	}
	most := p.resident()
	t.Logf("idle %d KB, %d KB of unfinished frames: %d KB", idle>>10, sum>>10, most>>10)
	assert.Less(t, most, uint64(sum)/2*5, "2.5 times what they are")
	for _, c := range peers {
		require.NoError(t, c.Close())
	}
	for limit := time.Now().Add(time.Minute); p.resident() > idle+64<<20; time.Sleep(50 * time.Millisecond) {
		require.True(t, time.Now().Before(limit), "%d KB are kept, idle were %d KB", p.resident()>>10, idle>>10)
	}
}

// resident is the resident memory of the program, in octets.
func (p *process) resident() uint64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(p.t, err)
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	n, err := strconv.ParseUint(strings.Fields(line)[0], 10, 64)
	require.NoError(p.t, err)
	return n << 10
}
