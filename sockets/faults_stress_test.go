package sockets

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/fault"
)

// someFaults are faults that lose nothing.
func someFaults(r *rand.Rand) []fault.Fault {
	var all []fault.Fault
	for range r.IntN(4) {
		f := fault.Fault{Way: fault.Direction(1 + r.IntN(3))}
		ms := func(n int) time.Duration { return time.Duration(r.IntN(n)) * time.Millisecond }
		switch r.IntN(5) {
		case 0:
			f.Action = fault.Latency{Delay: ms(20), Jitter: ms(20)}
		case 1:
			f.Action = fault.Slice{Min: 1 + r.IntN(500), Max: 1000 + r.IntN(5000)}
		case 2:
			f.Action = fault.Stall{For: ms(20), Every: 1 + r.Int64N(50_000)}
		case 3:
			f.Action = fault.Bandwidth{PerSecond: 1_000_000 + r.Int64N(10_000_000)}
		case 4:
			f.Action, f.When = fault.Blackhole{}, []fault.Condition{fault.For(ms(30))}
		}
		all = append(all, f)
	}
	return all
}

// Through whatever faults, which come and go while octets are under way, the peer gets all that was sent, in
// order and to the end, and so do we, in whatever way we read.
func TestNothingIsLostOverTheKernel(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		f := families[seed%3]
		t.Run(f.String(), func(t *testing.T) {
			w := newFaultyWorld(t)
			how := []Option{activeTrue, passive, activeOnce}[seed/3%3]
			s, peer := w.withPeer(f, how)
			data := pattern(300_000)
			got := make(chan string, 1)
			go func() {
				all, _ := io.ReadAll(peer)
				got <- string(all)
				_, _ = peer.Write(all)
				_ = peer.(interface{ CloseWrite() error }).CloseWrite()
			}()
			w.rule(someFaults(r)...)
			require.NoError(t, w.send(s, data))
			require.NoError(t, w.shutdown(s, unix.SHUT_WR))
			back, recv := "", (*answer)(nil)
			ended := func() bool {
				for _, e := range w.sink.told(s) {
					if e == "closed" {
						return true
					}
				}
				return false
			}
			for end := time.Now().Add(patience); ; {
				w.pass(time.Millisecond)
				if r.IntN(20) == 0 {
					w.rule(someFaults(r)...)
				}
				if how.Active == Once && on(w.world, func() bool { return s.state == connected && !s.opts.active.armed() }) {
					require.NoError(t, w.set(s, activeOnce))
				}
				if how.Active == Passive {
					if recv == nil {
						recv = w.startRecv(s, 0, -1)
					}
					select {
					case <-recv.ready:
						back += recv.data
						if recv.err != nil {
							require.ErrorIs(t, recv.err, ErrClosed)
							require.Equal(t, data, back)
							require.Equal(t, data, <-got)
							return
						}
						recv = nil
					default:
					}
				} else if ended() {
					break
				}
				require.True(t, time.Now().Before(end), "it does not come to an end")
			}
			require.Equal(t, data, w.stream(s, len(data)))
			require.Equal(t, data, <-got)
		})
	}
}
