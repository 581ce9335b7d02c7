package sockets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/sockets/packet"
)

// lender is a recorder that takes packets ahead: it writes down "lend PACKET", "lent N" with
// how many came since the last one, and "recall LOAN".
type lender struct {
	*recorder
	since  int
	refuse func(p packet.Packet) bool // none if nil
}

func (l *lender) Lend(s *Socket, p packet.Packet) bool {
	if l.refuse != nil && l.refuse(p) {
		return false
	}
	l.since++
	l.note(s, "lend "+shown(p))
	return true
}

func (l *lender) Lent(s *Socket) {
	l.note(s, fmt.Sprintf("lent %d", l.since))
	l.since = 0
}

func (l *lender) Recall(s *Socket) { l.tell(s, fmt.Sprintf("recall %d", s.LoanNumber())) }

// shown is a packet as text, with what it was taken for if it is HTTP.
func shown(p packet.Packet) string {
	switch p.Kind {
	case packet.Bytes:
		return string(p.Data)
	case packet.HTTPRequest:
		return "request " + string(p.Data)
	case packet.HTTPResponse:
		return "response " + string(p.Data)
	case packet.HTTPHeader:
		return "header " + string(p.Data)
	case packet.HTTPEOH:
		return "end " + string(p.Data)
	}
	return fmt.Sprintf("kind %d %s", p.Kind, p.Data)
}

// lending is a world whose Sink is a lender. When all sockets have gone nothing may be on loan.
type lending struct {
	*world
	lender *lender
}

func newLending(t testing.TB, ahead int) *lending {
	return newLendingWith(t, ahead, Config{})
}

func newLendingWith(t testing.TB, ahead int, cfg Config) *lending {
	t.Helper()
	w := &lending{world: newWorld(t, cfg)}
	w.lender = &lender{recorder: w.sink}
	w.do(func() {
		w.st.sink, w.st.lender = w.lender, w.lender
		w.st.SetAhead(ahead)
	})
	t.Cleanup(func() {
		w.stop()
		assert.Zero(t, w.st.lent, "octets on loan of sockets that have gone")
	})
	return w
}

func overLending(t *testing.T, ahead int, body func(t *testing.T, w *lending, f Family)) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			body(t, newLending(t, ahead), f)
		})
	}
}

// during is what is reported of s while f runs.
func (w *lending) during(s *Socket, f func()) []string {
	w.t.Helper()
	before := len(w.sink.told(s))
	w.do(f)
	return w.sink.told(s)[before:]
}

// ask ends a loan of s, of which taken packets have been taken, and does no more.
func (w *lending) ask(s *Socket, taken int) {
	w.t.Helper()
	w.do(func() { s.Ask(s.LoanNumber(), taken) })
}

// once ends a loan in the same way and arms s. It is what is reported of s then.
func (w *lending) once(s *Socket, taken int) []string {
	w.t.Helper()
	return w.during(s, func() {
		s.Ask(s.LoanNumber(), taken)
		require.NoError(w.t, s.SetOptions([]Option{activeOnce}))
	})
}

// taker is a Receiver that keeps what it has got, as shown.
type taker struct {
	got string
	err error
}

func (r *taker) Received(_ *Socket, p packet.Packet, err error) { r.got, r.err = shown(p), err }

// next ends a loan as ask does and takes the next packet that is there.
func (w *lending) next(s *Socket, taken int) (string, error) {
	w.t.Helper()
	var r taker
	w.do(func() {
		s.Ask(s.LoanNumber(), taken)
		s.Recv(0, 0, &r)
	})
	return r.got, r.err
}

// rest takes one packet after the other until there are no more. Of what is lent meanwhile
// nothing is taken.
func (w *lending) rest(s *Socket, taken int) []string {
	w.t.Helper()
	all := []string{}
	for {
		got, err := w.next(s, taken)
		if err != nil {
			require.ErrorIs(w.t, err, ErrTimeout)
			return all
		}
		all, taken = append(all, got), 0
	}
}

// taken reports taken packets of the open loan. It is what is reported of s then.
func (w *lending) taken(s *Socket, taken int) []string {
	w.t.Helper()
	return w.during(s, func() { s.Taken(s.LoanNumber(), taken) })
}

// turn lets the Stack deal with all that it knows of.
func (w *lending) turn() {
	w.t.Helper()
	w.do(func() {})
	w.do(func() {})
}

// lent is a connection with a packet "a" of mode One that has been delivered, and behind it
// one packet of two octets for each of the letters, as far as the window goes on loan.
func (w *lending) lent(f Family, letters string, opts ...Option) *Socket {
	w.t.Helper()
	s, peer := w.withPeer(f, append([]Option{passive, mode(packet.One)}, opts...)...)
	w.t.Cleanup(func() { _ = peer.Close() })
	w.arrive(s, func() { write(w.t, peer, ones("a"+letters)) }, 2+2*len(letters))
	require.Equal(w.t, "packet a", w.once(s, 0)[0])
	w.do(func() { require.NotNil(w.t, s.loan) })
	return s
}

// arrive waits until what send sends, n octets, is there for s.
func (w *lending) arrive(s *Socket, send func(), n int) {
	w.t.Helper()
	send()
	w.arrived(s, n)
}

// ones is a packet of mode One for each letter.
func ones(letters string) string {
	var b strings.Builder
	for _, c := range letters {
		b.WriteString("\x01" + string(c))
	}
	return b.String()
}

func TestNewStackFindsTheLender(t *testing.T) {
	for _, row := range []struct {
		name string
		sink Sink
		is   bool
	}{{"lender", &lender{recorder: newRecorder()}, true}, {"other", newRecorder(), false}} {
		t.Run(row.name, func(t *testing.T) {
			st, err := NewStack(Config{}, row.sink)
			require.NoError(t, err)
			require.Equal(t, row.is, st.lender != nil)
			st.Stop()
			require.NoError(t, st.Run())
		})
	}
}

// A packet that was asked for on its own has those behind it lent, in every mode that has
// packets.
func TestLoanBegins(t *testing.T) {
	for _, row := range []struct {
		name  string
		opts  []Option
		wire  string
		first string
		lent  []string
	}{
		{"1", []Option{mode(packet.One)}, "\x01a\x02bc\x00\x01d", "a", []string{"bc", "", "d"}},
		{"2", []Option{mode(packet.Two)}, "\x00\x01a\x00\x02bc", "a", []string{"bc"}},
		{"4", []Option{mode(packet.Four)}, "\x00\x00\x00\x01a\x00\x00\x00\x02bc\x00\x00\x00\x00", "a", []string{"bc", ""}},
		{"line", []Option{mode(packet.Line)}, "one\ntwo\n\nthree\nfo", "one\n", []string{"two\n", "\n", "three\n"}},
		{"delimiter", []Option{mode(packet.Line), opt("line_delimiter", ';')}, "one;two;\n;", "one;", []string{"two;", "\n;"}},
		{
			"http", []Option{mode(packet.HTTP)}, "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\nGET",
			"request GET / HTTP/1.1\r\n", []string{"header Host: a\r\n b\r\n", "end \r\n"},
		},
		{
			"http_bin", []Option{mode(packet.HTTPBin)}, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 No\r\nA: b\r\n",
			"response HTTP/1.1 200 OK\r\n", []string{"end \r\n", "response HTTP/1.1 404 No\r\n"},
		},
		{"httph", []Option{mode(packet.HTTPH)}, "A: b\r\nC: d\r\n\r\n", "header A: b\r\n", []string{"header C: d\r\n", "end \r\n"}},
	} {
		var lent []string
		for _, p := range row.lent {
			lent = append(lent, "lend "+p)
		}
		lent = append(lent, fmt.Sprintf("lent %d", len(row.lent)))
		_, data, isHTTP := strings.Cut(row.first, " ")
		if !isHTTP {
			data = row.first
		}
		t.Run(row.name, func(t *testing.T) {
			overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
				s, peer := w.withPeer(f, append([]Option{passive}, row.opts...)...)
				w.arrive(s, func() { write(t, peer, row.wire) }, len(row.wire))
				require.Equal(t, append([]string{"packet " + data}, lent...), w.once(s, 0), "asked for by once")
				w.do(func() {
					require.False(t, s.Active())
					require.Equal(t, 1, s.LoanNumber())
					require.Equal(t, s.loan.octets, w.st.lent)
				})

				s, peer = w.withPeer(f, append([]Option{passive}, row.opts...)...)
				w.arrive(s, func() { write(t, peer, row.wire) }, len(row.wire))
				w.ask(s, 0)
				got, err := w.next(s, 0)
				require.NoError(t, err)
				require.Equal(t, row.first, got)
				require.Equal(t, lent, w.sink.told(s), "asked for by recv")
				require.Equal(t, 2, on(w.world, s.LoanNumber))
			})
		})
	}
}

// A recv or a once that waits has the packets behind its own lent when they come.
func TestLoanOfWhatArrivesLater(t *testing.T) {
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		require.Empty(t, w.once(s, 0))
		write(t, peer, ones("abc"))
		w.expect(s, "packet a", "lend b", "lend c", "lent 2")
		w.sink.forget(s)

		a := w.answer()
		w.do(func() {
			s.Ask(1, 2)
			s.Recv(0, -1, a)
		})
		write(t, peer, ones("def"))
		require.Equal(t, "d", a.value())
		w.expect(s, "lend e", "lend f", "lent 2")
	})
}

// Nothing is lent to somebody who has not asked for one packet alone, or who would have to be
// given it in a form of its own.
func TestNoLoan(t *testing.T) {
	once := func(w *lending, s *Socket) { w.once(s, 0) }
	after := func(o Option) func(w *lending, s *Socket) {
		return func(w *lending, s *Socket) {
			w.onPacket(func(s *Socket, _ packet.Packet) { require.NoError(w.t, s.SetOptions([]Option{o})) })
			w.once(s, 0)
		}
	}
	for _, row := range []struct {
		name  string
		opts  []Option
		take  func(w *lending, s *Socket)
		begun bool
	}{
		{"once", nil, once, true},
		{"recv", nil, func(w *lending, s *Socket) { _, _ = w.next(s, 0) }, true},
		{"another option that once sets", nil, after(opt("send_timeout", 1)), true},
		{"raw", nil, after(mode(packet.Raw)), false},
		{"header", []Option{opt("mode", 1), opt("header", 2)}, once, false},
		{"deliver port", []Option{opt("deliver", 1)}, once, false},
		{"a count of 1", nil, func(w *lending, s *Socket) { require.NoError(w.t, w.set(s, optN(1))) }, false},
		{"a count of 2", nil, func(w *lending, s *Socket) { require.NoError(w.t, w.set(s, optN(2))) }, false},
		{"active, then passive", nil, func(w *lending, s *Socket) {
			w.onPacket(func(s *Socket, _ packet.Packet) { require.NoError(w.t, s.SetOptions([]Option{passive})) })
			require.NoError(w.t, w.set(s, activeTrue))
		}, false},
		{"once, then a count", nil, func(w *lending, s *Socket) {
			w.onPacket(func(s *Socket, p packet.Packet) {
				if string(p.Data) == "a" {
					require.NoError(w.t, s.SetOptions([]Option{optN(1)}))
				}
			})
			w.once(s, 0)
		}, false},
		{"a length, then packets", []Option{mode(packet.Raw)}, func(w *lending, s *Socket) {
			a := w.answer()
			a.then = func(*answer) { require.NoError(w.t, s.SetOptions([]Option{mode(packet.One)})) }
			w.do(func() {
				require.NoError(w.t, s.Unrecv([]byte("uv"+ones("yz"))))
				s.Recv(2, 0, a)
			})
			require.Equal(w.t, "uv", a.value())
		}, false},
		{"paused", nil, func(w *lending, s *Socket) {
			w.do(w.st.Pause)
			w.once(s, 0)
			w.do(w.st.Resume)
		}, false},
		{"none wanted", nil, func(w *lending, s *Socket) {
			w.do(func() { w.st.SetAhead(0) })
			w.once(s, 0)
		}, false},
		{"nobody to lend to", nil, func(w *lending, s *Socket) {
			w.do(func() { w.st.lender = nil })
			w.once(s, 0)
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newLending(t, 1000)
			s, peer := w.withPeer(Inet, append(row.opts, passive, mode(packet.One))...)
			w.arrive(s, func() { write(t, peer, ones("abcd")) }, 8)
			row.take(w, s)
			w.turn()
			w.do(func() {
				require.Positive(t, s.Stat(RecvCnt), "packets delivered")
				require.NotEmpty(t, s.in, "there is input to be lent")
				require.Equal(t, row.begun, s.loan != nil)
				require.Equal(t, row.begun, w.st.lent > 0)
			})
			require.Equal(t, row.begun, strings.Contains(strings.Join(w.sink.told(s), " "), "lend"))
		})
	}
}

// A part of a packet is lent when it is complete, as long as the loan goes on.
func TestPartialPacketsAreNotLent(t *testing.T) {
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		w.arrive(s, func() { write(t, peer, "\x01a\x01b\x03cd") }, 7)
		require.Equal(t, []string{"packet a", "lend b", "lent 1"}, w.once(s, 0))
		w.do(func() { require.Equal(t, 2, w.st.lent) })
		write(t, peer, "e\x01f\x02")
		w.expect(s, "packet a", "lend b", "lent 1", "lend cde", "lend f", "lent 2")
		require.Empty(t, w.rest(s, 3), "all that is complete has been taken")

		// With nothing but a part there is no loan.
		write(t, peer, "g")
		w.until("it is there", func() bool { return s.desc.available() == 1 })
		require.Equal(t, []string{}, w.once(s, 0))
		write(t, peer, "h\x02i")
		w.expect(s, append(w.sink.told(s)[:6], "packet gh")...)
		w.do(func() {
			require.Nil(t, s.loan)
			require.Zero(t, s.asked.skip, "a loan that has not begun was not of no use")
		})
		write(t, peer, "j\x01k")
		w.until("it is there", func() bool { return s.desc.available() == 3 })
		require.Equal(t, []string{"packet ij", "lend k", "lent 1"}, w.once(s, 0))
	})
}

// A loan that ends gives back what was not taken of it, and what was taken counts from then on.
func TestSettle(t *testing.T) {
	wire := "\x01a\x02bb\x03ccc\x04dddd"
	packets := []string{"a", "bb", "ccc", "dddd"}
	sizes := []int{2, 3, 4, 5}
	for taken := range 6 {
		t.Run(fmt.Sprint(taken), func(t *testing.T) {
			overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
				s, peer := w.withPeer(f, passive, mode(packet.One))
				count := counters{}
				counted := func(when string) {
					w.do(func() {
						require.Equal(t, count, s.received, when)
						require.Equal(t, int64(count.packets), s.Stat(RecvCnt), when)
						require.Equal(t, int64(count.octets), s.Stat(RecvOct), when)
					})
				}
				w.arrive(s, func() { write(t, peer, wire) }, len(wire))
				require.Len(t, w.once(s, 0), 5)
				count.count(sizes[0])
				counted("what is on loan does not count")

				w.ask(s, taken)
				rest := min(1+taken, len(packets))
				for _, n := range sizes[1:rest] {
					count.count(n)
				}
				counted("what was taken counts")
				w.do(func() {
					require.Nil(t, s.loan)
					require.Zero(t, w.st.lent)
					require.Len(t, s.in, len(wire)-int(count.octets))
				})
				for i, want := range packets[rest:] {
					got, err := w.next(s, 0)
					require.NoError(t, err)
					require.Equal(t, want, got)
					count.count(sizes[rest+i])
					counted("and so does what is delivered")
				}
				_, err := w.next(s, 0)
				require.ErrorIs(t, err, ErrTimeout)
				counted("nothing else")
				w.do(func() { require.Nil(t, s.in, "an idle socket holds no buffer") })
			})
		})
	}
}

// The next packet is the one behind those that were taken, also for once, with the next loan
// behind it.
func TestSettleAndArm(t *testing.T) {
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		s := w.lent(f, "bcdefg")
		require.Equal(t, []string{"packet d", "lend e", "lend f", "lend g", "lent 3"}, w.once(s, 2))
		require.Equal(t, []string{"packet f", "lend g", "lent 1"}, w.once(s, 1))
		require.Equal(t, []string{}, w.once(s, 1))
		require.Equal(t, int64(7), on(w.world, func() int64 { return s.Stat(RecvCnt) }))
	})
}

// What others than once and recv ask of the input they find as if it had never been on loan.
func TestInputAfterALoan(t *testing.T) {
	w := newLending(t, 1000)
	s := w.lent(Inet, "bcd")
	w.ask(s, 1)
	require.NoError(t, on(w.world, func() error { return s.Unrecv([]byte("\x01u")) }))
	require.Equal(t, []string{"u", "c", "d"}, w.rest(s, 0))

	s = w.lent(Inet, "bcd")
	w.ask(s, 1)
	require.NoError(t, on(w.world, func() error { return s.Unread([]byte("u")) }))
	require.Equal(t, []string{"packet u", "lend c", "lend d", "lent 2"}, w.once(s, 0))

	s = w.lent(Inet, "bcd")
	w.ask(s, 2)
	require.NoError(t, w.set(s, mode(packet.Raw)))
	require.Equal(t, []string{"\x01d"}, w.rest(s, 0))

	s = w.lent(Inet, "bcd")
	w.ask(s, 1)
	require.NoError(t, w.set(s, activeTrue))
	require.Equal(t, []string{"packet c", "packet d"}, w.sink.told(s)[5:])
}

// Whether a start line or a header is due depends on what was taken, not on what was lent.
func TestSettleKeepsTheStateOfHTTP(t *testing.T) {
	lines := []string{
		"request GET /1 HTTP/1.1\r\n", "header A: b\r\n", "end \r\n",
		"request GET /2 HTTP/1.1\r\n", "header C: d\r\n", "header E: f\r\n", "end \r\n",
		"request GET /3 HTTP/1.1\r\n", "end \r\n",
	}
	var wire string
	for _, l := range lines {
		_, data, _ := strings.Cut(l, " ")
		wire += data
	}
	for taken := range len(lines) {
		t.Run(fmt.Sprint(taken), func(t *testing.T) {
			for _, unparsed := range []bool{false, true} {
				w := newLendingWith(t, 1000, Config{HTTPLines: unparsed})
				s, peer := w.withPeer(Inet, passive, mode(packet.HTTPBin))
				w.arrive(s, func() { write(t, peer, wire) }, len(wire))
				got, err := w.next(s, 0)
				require.NoError(t, err)
				require.Equal(t, lines[0], got)
				var lent []string
				for _, l := range lines[1:] {
					lent = append(lent, "lend "+l)
				}
				require.Equal(t, append(lent, "lent 8"), w.sink.told(s))

				w.ask(s, taken)
				due := !strings.HasPrefix(lines[taken], "end ")
				require.Equal(t, due, on(w.world, func() bool { return s.framer.Headers }))
				require.Equal(t, lines[1+taken:], w.rest(s, 0))
			}
		})
	}
}

// The same after reports, and in the modes in which headers are always due.
func TestTakenKeepsTheStateOfHTTP(t *testing.T) {
	w := newLending(t, 1000)
	s, peer := w.withPeer(Inet, passive, mode(packet.HTTP))
	wire := "GET / HTTP/1.0\r\nA: b\r\n\r\nGET / HTTP/1.0\r\nC: d\r\n\r\n"
	w.arrive(s, func() { write(t, peer, wire) }, len(wire))
	require.Len(t, w.once(s, 0), 7)
	require.Empty(t, w.taken(s, 2))
	w.ask(s, 3)
	require.Equal(t, []string{"header C: d\r\n", "end \r\n"}, w.rest(s, 0))

	s, peer = w.withPeer(Inet, passive, mode(packet.HTTPHBin))
	wire = "A: b\r\n\r\nC: d\r\n\r\nE: f\r\n\r\n"
	w.arrive(s, func() { write(t, peer, wire) }, len(wire))
	require.Equal(t, []string{"lend end \r\n", "lend header C: d\r\n", "lend end \r\n"}, w.once(s, 0)[1:4])
	require.Equal(t, []string{"header C: d\r\n", "end \r\n", "header E: f\r\n", "end \r\n"}, w.rest(s, 1))
}

// A number that is not the open loan's says nothing of it.
func TestWrongLoanNumbers(t *testing.T) {
	for _, off := range []int{-1, 1, LoanNumbers} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			w := newLending(t, 1000)
			s := w.lent(Inet, "bcd")
			require.Empty(t, w.during(s, func() { s.Taken(s.LoanNumber()+off, 2) }))
			w.do(func() {
				require.NotNil(t, s.loan, "a report that is ignored leaves it open")
				require.Equal(t, int64(1), s.Stat(RecvCnt))
				s.Ask(s.LoanNumber()+off, 2)
				require.Nil(t, s.loan)
				require.Equal(t, int64(1), s.Stat(RecvCnt))
				require.Equal(t, 2, s.LoanNumber(), "it was a question all the same")
			})
			require.Equal(t, []string{"b", "c", "d"}, w.rest(s, 0))
		})
	}
	t.Run("no loan", func(t *testing.T) {
		w := newLending(t, 1000)
		s := w.lent(Inet, "bcd")
		w.ask(s, 1)
		require.Empty(t, w.taken(s, 1))
		w.ask(s, 1)
		w.do(func() { s.Ask(1, 1) })
		require.Equal(t, int64(2), on(w.world, func() int64 { return s.Stat(RecvCnt) }), "what was said before is not said again")
		require.Equal(t, []string{"c", "d"}, w.rest(s, 0))
	})
}

func TestLoanNumbersBeginAgain(t *testing.T) {
	w := newLending(t, 1000)
	s := w.lent(Inet, "bcdefg")
	w.do(func() { s.asked.count += LoanNumbers - 3 })
	for i, want := range []string{"c", "e", "g"} {
		require.Equal(t, "packet "+want, w.once(s, 1)[0])
		require.Equal(t, (LoanNumbers-1+i)%LoanNumbers, on(w.world, s.LoanNumber))
	}
}

// A report makes room for as much as was taken, and is reported once: a later one has all of them.
func TestTaken(t *testing.T) {
	overLending(t, 6, func(t *testing.T, w *lending, f Family) {
		s := w.lent(f, "bcdefghij")
		require.Equal(t, []string{"packet a", "lend b", "lend c", "lend d", "lent 3"}, w.sink.told(s))
		received := func() int64 { return on(w.world, func() int64 { return s.Stat(RecvCnt) }) }
		for _, row := range []struct {
			taken    int
			lent     []string
			received int64
		}{
			{0, []string{}, 1},
			{1, []string{"lend e", "lent 1"}, 2},
			{1, []string{}, 2},
			{4, []string{"lend f", "lend g", "lend h", "lent 3"}, 5},
			{2, []string{}, 5},
			{100, []string{"lend i", "lend j", "lent 2"}, 8}, // no more than there were
			{8, []string{}, 9},
		} {
			require.Equal(t, row.lent, w.taken(s, row.taken), "%d taken", row.taken)
			require.Equal(t, row.received, received(), "%d taken", row.taken)
			require.Equal(t, 1, on(w.world, s.LoanNumber), "it is the same loan")
		}
		require.Equal(t, []string{}, w.rest(s, 9))
		require.Equal(t, int64(10), received())
	})
}

// What arrives during a loan is read when there is room for it, and left where it is before.
func TestALoanGoesOnFromTheKernel(t *testing.T) {
	overLending(t, 6, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		w.arrive(s, func() { write(t, peer, ones("abcd")) }, 8)
		require.Len(t, w.once(s, 0), 5)
		w.arrive(s, func() { write(t, peer, ones("efgh")) }, 8)
		w.turn()
		require.Len(t, w.sink.told(s), 5, "the window is full")
		w.arrived(s, 8)

		w.takeAll(s, "bcdefgh")
		w.do(func() {
			require.Nil(t, s.in, "an idle socket holds no buffer")
			require.Nil(t, s.room)
			require.Equal(t, int64(8), s.Stat(RecvCnt))
		})
	})
}

// More than is read at a time is lent all the same, and nobody has to ask for it.
func TestALoanGoesOnWithAllThatIsThere(t *testing.T) {
	w := newLending(t, 1<<18)
	s, peer := w.withPeer(Local, passive, mode(packet.Two))
	w.arrive(s, func() { write(t, peer, "\x00\x01a\x00\x01b") }, 6)
	require.Equal(t, []string{"packet a", "lend b", "lent 1"}, w.once(s, 0))
	const packets, size = 90, 1000
	w.do(w.st.Pause)
	wire := strings.Repeat("\x03\xe8"+pattern(size), packets)
	require.Greater(t, len(wire), readAheadSize)
	w.arrive(s, func() { write(t, peer, wire) }, len(wire))
	w.do(w.st.Resume)
	w.wait("all of it", func() bool { return len(w.onLoan(s)) == 1+packets*size })
	require.Equal(t, "b"+strings.Repeat(pattern(size), packets), w.onLoan(s))
	require.Empty(t, w.rest(s, 1+packets))
}

// A loan of which nothing is left ends, and that is reported. Then it is up to whoever asks.
func TestLoanEndsWhenAllIsTaken(t *testing.T) {
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		w.arrive(s, func() { write(t, peer, ones("abc")) }, 6)
		told := w.once(s, 0)
		require.Empty(t, w.taken(s, 1))
		require.Equal(t, []string{"recall 1"}, w.taken(s, 2))
		w.do(func() {
			require.Nil(t, s.loan)
			require.Nil(t, s.in)
			require.Zero(t, w.st.lent)
			require.Equal(t, int64(3), s.Stat(RecvCnt))
		})
		require.Empty(t, w.taken(s, 2), "it is over")

		w.arrive(s, func() { write(t, peer, ones("def")) }, 6)
		w.turn()
		require.Equal(t, append(told, "recall 1"), w.sink.told(s), "nobody has asked")
		w.arrived(s, 6)
		require.Equal(t, []string{"packet d", "lend e", "lend f", "lent 2"}, w.once(s, 2), "it was of use")
		require.Equal(t, int64(4), on(w.world, func() int64 { return s.Stat(RecvCnt) }), "what was reported counts once")

		// A part of a packet is nothing yet.
		write(t, peer, "\x02g")
		w.until("it has been read", func() bool { return len(s.in) == 6 })
		require.Equal(t, []string{"recall 2"}, w.taken(s, 2))
		write(t, peer, "h")
		got := w.answer()
		w.do(func() {
			s.Ask(2, 2)
			s.Recv(0, -1, got)
		})
		require.Equal(t, "gh", got.value())
	})
}

// onLoan is what has been lent of s so far, joined.
func (w *lending) onLoan(s *Socket) string {
	var b strings.Builder
	for _, e := range w.sink.told(s) {
		if data, ok := strings.CutPrefix(e, "lend "); ok {
			b.WriteString(data)
		}
	}
	return b.String()
}

// takeAll takes packets of one letter each as they are lent, until they are these in all.
func (w *lending) takeAll(s *Socket, letters string) {
	w.t.Helper()
	for taken := 0; taken < len(letters); {
		w.wait("more is lent", func() bool { return len(w.onLoan(s)) > taken })
		taken++
		w.taken(s, taken)
	}
	require.Equal(w.t, letters, w.onLoan(s))
}

// A long stream goes through one loan, and what is held of it meanwhile is bounded.
func TestALoanHoldsLittle(t *testing.T) {
	overLending(t, 32<<10, func(t *testing.T, w *lending, f Family) {
		const packets, size = 600, 1000
		s, peer := w.withPeer(f, passive, mode(packet.Two))
		require.Empty(t, w.once(s, 0))
		go func() {
			for i := range packets {
				_, _ = fmt.Fprintf(peer, "\x03\xe8%0*d", size, i)
			}
		}()
		taken := 0
		for got := 0; got < packets; {
			w.wait("another packet", func() bool { return len(w.sink.told(s)) > 0 })
			w.do(func() {
				if s.loan != nil {
					require.Less(t, s.loan.octets, 32<<10+size+2, "on loan")
					require.Equal(t, s.loan.octets, w.st.lent)
				}
				require.LessOrEqual(t, len(s.in), 2*(32<<10)+readAheadSize, "held")
				for _, e := range w.sink.told(s) {
					kind, data, _ := strings.Cut(e, " ")
					if kind == "lent" || kind == "recall" {
						continue
					}
					require.Equal(t, fmt.Sprintf("%0*d", size, got), data)
					got++
					if kind == "lend" {
						taken++
					}
				}
				w.sink.forget(s)
				if s.loan == nil { // for the moment there is no more
					s.Ask(s.LoanNumber(), taken)
					taken = 0
					require.NoError(t, s.SetOptions([]Option{activeOnce}))
				} else {
					s.Taken(s.LoanNumber(), taken)
				}
			})
		}
		w.ask(s, taken)
		require.Equal(t, int64(packets), on(w.world, func() int64 { return s.Stat(RecvCnt) }))
		require.Equal(t, int64(packets*(size+2)), on(w.world, func() int64 { return s.Stat(RecvOct) }))
	})
}

// A long packet is read during a loan as far as the window goes, and completed for who asks.
func TestALoanReadsLittleOfALongPacket(t *testing.T) {
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.Four))
		wire := "\x00\x00\x00\x01a\x00\x00\x00\x01b"
		w.arrive(s, func() { write(t, peer, wire) }, len(wire))
		require.Equal(t, []string{"packet a", "lend b", "lent 1"}, w.once(s, 0))
		body := pattern(big)
		go func() { _, _ = peer.Write([]byte("\x00\x10\x00\x00" + body)) }()
		w.until("more than the window is there", func() bool { return len(s.in) > 1000+5 })
		for range 10 {
			w.turn()
		}
		w.do(func() { require.LessOrEqual(t, len(s.in), 1000+5+readAheadSize) })
		a := w.answer()
		w.do(func() {
			s.Ask(1, 1)
			s.Recv(0, -1, a)
		})
		require.True(t, body == a.value())
		require.Equal(t, int64(3), on(w.world, func() int64 { return s.Stat(RecvCnt) }))
	})
}

// However many packets a loan has had, it remembers those only that are on loan.
func TestALongLoanStaysSmall(t *testing.T) {
	w := newLending(t, 6)
	s := w.lent(Inet, "bcd")
	w.do(func() {
		s.Ask(1, 3)
		require.NoError(t, s.Unrecv([]byte(strings.Repeat("\x01x", 500))))
		require.NoError(t, s.SetOptions([]Option{activeOnce}))
		require.Len(t, s.loan.lent, 3)
		for taken := range 490 {
			s.Taken(2, taken)
			require.Len(t, s.loan.lent[s.loan.head:], 3)
		}
		require.LessOrEqual(t, cap(s.loan.lent), 50, "room for packets, of which 3 are on loan")
	})
}

// All sockets together lend no more than maxLent, and what one gives back others can have.
func TestLoansOfAllSockets(t *testing.T) {
	w := newLending(t, 6)
	one, two := w.lent(Inet, "bcdefg"), w.lent(Inet, "bcdefg")
	const others = maxLent + 2 - 12
	w.do(func() {
		require.Equal(t, 12, w.st.lent)
		w.st.lent += others
	})
	defer w.do(func() { w.st.lent -= others })
	require.Equal(t, []string{"lend e", "lent 1"}, w.taken(one, 2), "the rest of its room is not to be had")
	w.do(func() { require.Equal(t, maxLent, w.st.lent) })

	s, peer := w.withPeer(Inet, passive, mode(packet.One))
	w.arrive(s, func() { write(t, peer, ones("abcde")) }, 10)
	require.Equal(t, []string{"packet a"}, w.once(s, 0))
	w.ask(two, 3)
	require.Equal(t, []string{"packet b", "lend c", "lend d", "lend e", "lent 3"}, w.once(s, 0))
	w.do(func() { require.Equal(t, maxLent, w.st.lent) })
}

// A loan comes to its end with MaxLoan packets, which is what a node can count.
func TestMaxLoan(t *testing.T) {
	w := newLending(t, 6)
	s := w.lent(Inet, "bcdefghi")
	w.do(func() { s.loan.taken = MaxLoan - 4 }) // as if that many had been taken
	require.Equal(t, []string{"lend e", "lent 1"}, w.taken(s, MaxLoan-3))
	require.Empty(t, w.taken(s, MaxLoan-1))
	require.Equal(t, []string{"recall 1"}, w.taken(s, MaxLoan))
	require.Equal(t, []string{"packet f", "lend g", "lend h", "lend i", "lent 3"}, w.once(s, MaxLoan))
}

// What a Lender refuses stays in the input, and everything behind it.
func TestLendRefused(t *testing.T) {
	refuse := func(w *lending, data string) {
		w.do(func() { w.lender.refuse = func(p packet.Packet) bool { return string(p.Data) == data } })
	}
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		refuse(w, "b")
		w.arrive(s, func() { write(t, peer, ones("abcde")) }, 10)
		require.Equal(t, []string{"packet a"}, w.once(s, 0))
		w.do(func() {
			require.Nil(t, s.loan)
			require.Zero(t, w.st.lent)
		})
		refuse(w, "d")
		require.Equal(t, []string{"packet b", "lend c", "lent 1"}, w.once(s, 0))
		require.Equal(t, []string{"recall 2"}, w.taken(s, 1), "refused again")
		w.lender.refuse = nil
		require.Equal(t, []string{"packet d", "lend e", "lent 1"}, w.once(s, 1))
	})

	// A line that is refused does not change what is due.
	w := newLending(t, 1000)
	s, peer := w.withPeer(Inet, passive, mode(packet.HTTP))
	refuse(w, "GET /2 HTTP/1.0\r\n")
	wire := "GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\nA: b\r\n\r\n"
	w.arrive(s, func() { write(t, peer, wire) }, len(wire))
	require.Equal(t, []string{"packet GET /1 HTTP/1.0\r\n", "lend end \r\n", "lent 1"}, w.once(s, 0))
	w.do(func() { require.False(t, s.framer.Headers) })
	refuse(w, "\r\n")
	require.Equal(t, []string{"lend request GET /2 HTTP/1.0\r\n", "lend header A: b\r\n", "lent 2"}, w.taken(s, 1))
	w.do(func() { require.True(t, s.framer.Headers) })
	require.Equal(t, []string{"end \r\n"}, w.rest(s, 3))
}

// After a loan of which nothing was taken the next one waits until it is likely to be of use.
func TestNoLoanAfterOneOfNoUse(t *testing.T) {
	overLending(t, 4, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		n := lendAgain + 10
		w.arrive(s, func() { write(t, peer, strings.Repeat("\x01x", n)) }, 2*n)
		again := []string{"packet x", "lend x", "lend x", "lent 2"}
		require.Equal(t, again, w.once(s, 0))
		require.Equal(t, again, w.once(s, 2), "all of it was taken")
		require.Equal(t, again, w.once(s, 1), "some of it was")
		for range lendAgain / 2 {
			require.Equal(t, []string{"packet x"}, w.once(s, 0))
			got, err := w.next(s, 0)
			require.NoError(t, err)
			require.Equal(t, "x", got)
		}
		require.Equal(t, again, w.once(s, 0))
	})
	w := newLending(t, 4)
	s := w.lent(Inet, "bcdefg")
	require.Equal(t, []string{"lend d", "lent 1"}, w.taken(s, 1))
	require.Equal(t, []string{"packet c", "lend d", "lend e", "lent 2"}, w.once(s, 0), "that some of it was taken is known")
}

// The end of the stream is not on loan: it is reported to the one who asks after the last packet.
func TestEndBehindLentPackets(t *testing.T) {
	for _, when := range []string{"before the loan", "during the loan"} {
		for _, taken := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%s, %d taken", when, taken), func(t *testing.T) {
				overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
					s, peer := w.withPeer(f, passive, mode(packet.One))
					w.arrive(s, func() { write(t, peer, ones("abc")+"\x07part") }, 11)
					if when == "before the loan" {
						require.NoError(t, peer.Close())
						w.ended(s)
					}
					told := w.once(s, 0)
					require.Equal(t, []string{"packet a", "lend b", "lend c", "lent 2"}, told)
					if when == "during the loan" {
						require.NoError(t, peer.Close())
						w.ended(s)
					}
					w.turn()
					w.taken(s, taken)
					if taken == 2 {
						told = append(told, "recall 1")
					}
					w.turn()
					require.Equal(t, told, w.sink.told(s), "nobody has asked")

					settled := taken
					for _, left := range []string{"b", "c"}[taken:] {
						got, err := w.next(s, settled)
						require.NoError(t, err)
						require.Equal(t, left, got)
						settled = 0
					}
					w.sink.forget(s)
					if f == Local {
						_, err := w.next(s, settled)
						require.ErrorIs(t, err, ErrClosed)
						w.expectNone(s)
						return
					}
					require.Equal(t, []string{"closed", "gone"}, w.once(s, settled))
				})
			})
		}
	}
}

// An error of the framing, too.
func TestFramingErrorBehindLentPackets(t *testing.T) {
	overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
		for _, arm := range []bool{true, false} {
			s, peer := w.withPeer(f, passive, mode(packet.Two), opt("packet_size", 10))
			w.arrive(s, func() { write(t, peer, "\x00\x01a\x00\x01b\x01\x00c") }, 9)
			require.Equal(t, []string{"packet a", "lend b", "lent 1"}, w.once(s, 0))
			require.Equal(t, []string{"recall 1"}, w.taken(s, 1))
			if arm {
				require.Equal(t, []string{"error emsgsize", "closed", "gone emsgsize"}, w.once(s, 1))
				continue
			}
			_, err := w.next(s, 1)
			require.Equal(t, "emsgsize", PosixName(err))
		}
	})
}

// A connection that fails by a send takes its input with it, and so what is on loan.
func TestRecall(t *testing.T) {
	broken := func(w *lending, s *Socket) {
		w.ended(s)
		w.do(func() { require.NotNil(w.t, s.loan, "the end alone is not told") })
	}
	for name, fail := range map[string]func(w *lending, s *Socket){
		"called": func(w *lending, s *Socket) {
			broken(w, s)
			require.ErrorIs(w.t, w.send(s, "x"), ErrClosed)
		},
		"uncalled": func(w *lending, s *Socket) {
			broken(w, s)
			w.do(func() { s.Send([]byte("x")) })
		},
		"corked": func(w *lending, s *Socket) {
			broken(w, s)
			w.do(func() {
				w.st.Cork()
				s.Send([]byte("x"))
				require.NotNil(w.t, s.loan, "not sent yet")
				w.st.Uncork()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range []Family{Inet, Inet6} {
				w := newLending(t, 1000)
				s, peer := w.withPeer(f, passive, mode(packet.One))
				w.arrive(s, func() { write(t, peer, ones("abcd")) }, 8)
				told := append(w.once(s, 0), "recall 1")
				reset(t, peer)
				fail(w, s)
				w.recalled(s, told)
			}
		})
	}

	// So does one that is given up because a send has waited too long.
	w := newLending(t, 1000)
	s, peer := w.withPeer(Inet, passive, mode(packet.One), opt("send_timeout", 100_000), opt("send_timeout_close", 1))
	w.arrive(s, func() { write(t, peer, ones("abcd")) }, 8)
	told := append(w.once(s, 0), "recall 1")
	w.fill(s, big)
	a := w.startSend(s, "x")
	w.do(func() { require.NotNil(t, s.loan) })
	w.expire(sendTimeout(s))
	require.ErrorIs(t, a.error(), ErrTimeout)
	w.expect(s, told...)
	w.do(func() { require.Zero(t, w.st.lent) })
}

// recalled says that the loan of s is void: what was taken of it does not count, and what was
// not taken does not come back.
func (w *lending) recalled(s *Socket, told []string) {
	w.t.Helper()
	require.Equal(w.t, told, w.sink.told(s))
	w.do(func() {
		require.Nil(w.t, s.loan)
		require.Nil(w.t, s.in)
		require.Zero(w.t, w.st.lent)
		s.Taken(1, 1)
		s.Ask(1, 2)
		require.Equal(w.t, int64(1), s.Stat(RecvCnt))
	})
	_, err := w.next(s, 0)
	require.ErrorIs(w.t, err, ErrClosed)
	_, err = w.next(s, 0)
	require.ErrorIs(w.t, err, unix.ENOTCONN)
	w.do(s.CloseNow)
	require.Equal(w.t, append(told, "gone"), w.sink.told(s))
}

// Once it is reported that a socket has gone, the end of its loan need not be.
func TestNoRecallAfterGone(t *testing.T) {
	for name, end := range map[string]func(w *lending, s *Socket) string{
		"closed": func(w *lending, s *Socket) string {
			w.do(s.CloseNow)
			return "gone"
		},
		"closed by a call": func(w *lending, s *Socket) string {
			require.NoError(w.t, w.startClose(s).error())
			return "gone"
		},
		"failed": func(w *lending, s *Socket) string {
			w.do(func() { w.st.Fail(s, "out of order") })
			return "gone efault"
		},
		"too much output": func(w *lending, s *Socket) string {
			w.do(func() {
				w.st.cfg.MaxQueue = 1
				s.Send([]byte("xyz"))
			})
			return "gone enobufs"
		},
	} {
		t.Run(name, func(t *testing.T) {
			overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
				s := w.lent(f, "bcd")
				told := w.sink.told(s)
				gone := end(w, s)
				w.turn()
				require.Equal(t, append(told, gone), w.sink.told(s))
				w.do(func() {
					require.Nil(t, s.loan)
					require.Zero(t, w.st.lent)
					s.Taken(1, 2)
					s.Ask(1, 2)
					require.Equal(t, int64(1), s.Stat(RecvCnt))
				})
			})
		})
	}
}

// A Lender that panics ends its socket only, and all of the loan with it.
func TestLenderThatFails(t *testing.T) {
	w := newLending(t, 1000)
	other := w.lent(Inet, "bcd")
	s, peer := w.withPeer(Inet, passive, mode(packet.One))
	w.arrive(s, func() { write(t, peer, ones("abc")) }, 6)
	told := w.once(s, 0)
	w.do(func() {
		w.lender.refuse = func(p packet.Packet) bool {
			if string(p.Data) == "e" {
				panic("a lender that fails")
			}
			return false
		}
	})
	write(t, peer, ones("de"))
	w.expect(s, append(told, "lend d", "gone efault")...)
	w.do(func() { require.Equal(t, 6, w.st.lent, "what the other one has lent") })
	require.Equal(t, []string{"c", "d"}, w.rest(other, 1))
}

// Also when not even the end can be reported.
func TestSinkThatFailsWithALoan(t *testing.T) {
	w := newLending(t, 1000)
	s := w.lent(Inet, "bcd")
	w.do(func() {
		w.sink.on = func(*Socket, string) { panic("again and again") }
		w.st.Fail(s, "out of order")
		w.sink.on = nil
		_, ok := w.st.Get(s.ID())
		require.False(t, ok)
		require.Zero(t, w.st.lent)
	})
}

// While the Sink can take no more, nothing more is lent, and then it goes on.
func TestPausedLoans(t *testing.T) {
	overLending(t, 6, func(t *testing.T, w *lending, f Family) {
		s, peer := w.withPeer(f, passive, mode(packet.One))
		w.arrive(s, func() { write(t, peer, ones("abcd")) }, 8)
		told := w.once(s, 0)
		require.Len(t, told, 5)
		w.do(w.st.Pause)
		require.Empty(t, w.taken(s, 2))
		w.arrive(s, func() { write(t, peer, ones("e")) }, 2)
		w.turn()
		require.Equal(t, told, w.sink.told(s))
		w.arrived(s, 2)
		w.do(w.st.Resume)
		w.expect(s, append(told, "lend e", "lent 1")...)
		require.Empty(t, w.rest(s, 4))
	})
}

// What had been read before is lent again after a pause, too: a report that comes during it
// may be the last.
func TestPausedLoansOfWhatHasBeenRead(t *testing.T) {
	w := newLending(t, 6)
	s := w.lent(Inet, "bcdefg")
	told := w.sink.told(s)
	w.do(w.st.Pause)
	require.Empty(t, w.taken(s, 2))
	w.turn()
	require.Equal(t, told, w.sink.told(s))
	w.do(w.st.Resume)
	w.turn()
	require.Equal(t, append(told, "lend e", "lend f", "lent 2"), w.sink.told(s))

	// With nothing left there is no loan that could go on.
	w.do(w.st.Pause)
	require.Equal(t, []string{"recall 1"}, w.taken(s, 5))
	w.do(w.st.Resume)
	w.turn()
	require.Len(t, w.sink.told(s), 9)
	require.Equal(t, []string{"packet g"}, w.once(s, 5))
}

// With {read_ahead, false} nothing is taken from the kernel that nobody has asked for.
func TestLoanWithoutReadAhead(t *testing.T) {
	w := newLending(t, 1000)
	s, peer := w.withPeer(Inet, passive, mode(packet.One), opt("read_ahead", 0))
	w.do(func() { require.NoError(t, s.Unrecv([]byte(ones("abc")))) })
	require.Equal(t, "packet a", w.once(s, 0)[0])
	w.arrive(s, func() { write(t, peer, ones("de")) }, 4)
	w.turn()
	require.Equal(t, 4, on(w.world, s.desc.available), "octets in the kernel")
	require.Equal(t, []string{"b", "c", "d", "e"}, w.rest(s, 0))
}

// lentOnly is a Lender that keeps nothing.
type lentOnly struct {
	quiet
	lent int
}

func (l *lentOnly) Lend(*Socket, packet.Packet) bool { l.lent++; return true }
func (*lentOnly) Lent(*Socket)                       {}
func (*lentOnly) Recall(*Socket)                     {}

func TestLendingDoesNotAllocate(t *testing.T) {
	for _, row := range []struct {
		name string
		op   func(s *Socket)
		lent int // by each op
	}{
		{"a loan that goes on", func(s *Socket) { s.Taken(s.LoanNumber(), s.loan.taken+1) }, 1},
		{"one loan after the other", func(s *Socket) {
			s.Ask(s.LoanNumber(), 3)
			if err := s.SetOptions(onceOnly); err != nil {
				panic(err)
			}
		}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t, passive, mode(packet.One))
			l := &lentOnly{}
			b.st.sink, b.st.lender = l, l
			b.st.SetAhead(3 * len(message))
			require.NoError(t, b.s.Unrecv([]byte(strings.Repeat(string(message), 1000))))
			require.NoError(t, b.s.SetOptions(onceOnly))
			require.Equal(t, 3, l.lent)
			const runs = 200
			require.Zero(t, testing.AllocsPerRun(runs, func() { row.op(b.s) }))
			require.Equal(t, 3+(runs+1)*row.lent, l.lent)
		})
	}
}

// loanNode is the other end of the protocol, as gentcp_ahead.erl is: it counts its questions as
// it sends them, and has no use for a loan that was made when one of them was under way.
// Commands and messages take their time, but stay in order.
type loanNode struct {
	quiet
	t        *rapid.T
	s        *Socket
	commands []func()                  // on their way to the Stack
	messages []func()                  // on their way back
	batch    []string                  // of the message that is being made
	asked    int                       // questions sent
	waiting  bool                      // one of them will bring a packet
	open     bool                      // there is a loan to take from
	lent     []string                  // what is left of it
	settle   struct{ loan, taken int } // what has been taken, of the loan that is open or was the last one
	got      []string
	closed   bool
}

func (n *loanNode) packet(p packet.Packet) {
	data := shown(p)
	n.messages = append(n.messages, func() {
		n.waiting = false
		n.got = append(n.got, data)
	})
}

func (n *loanNode) Packet(_ *Socket, p packet.Packet) { n.packet(p) }

func (n *loanNode) Received(_ *Socket, p packet.Packet, err error) {
	if err == nil {
		n.packet(p)
		return
	}
	n.messages = append(n.messages, func() {
		n.waiting = false
		n.closed = n.closed || err == ErrClosed
	})
}

func (n *loanNode) Closed(*Socket) {
	n.messages = append(n.messages, func() { n.waiting, n.closed = false, true })
}

func (n *loanNode) Lend(_ *Socket, p packet.Packet) bool {
	n.batch = append(n.batch, shown(p))
	return true
}

func (n *loanNode) Lent(s *Socket) {
	batch, loan := n.batch, s.LoanNumber()
	n.batch = nil
	n.messages = append(n.messages, func() {
		if loan != n.asked%LoanNumbers {
			return
		}
		require.False(n.t, n.waiting, "a loan before the packet that it is behind")
		if !n.open {
			n.open, n.settle.loan, n.settle.taken = true, loan, 0
		}
		n.lent = append(n.lent, batch...)
	})
}

func (n *loanNode) Recall(s *Socket) {
	loan := s.LoanNumber()
	n.messages = append(n.messages, func() {
		if n.open && loan == n.settle.loan {
			require.Empty(n.t, n.lent, "packets of a loan of which nothing is left")
			n.open = false
		}
	})
}

// ask sends a command that asks for the input. What it has to say of a loan is said
// again and again, and has an effect once.
func (n *loanNode) ask(command func()) {
	n.asked++
	n.open, n.lent = false, nil
	settle := n.settle
	n.commands = append(n.commands, func() {
		n.s.Ask(settle.loan, settle.taken)
		command()
	})
}

func (n *loanNode) arm() {
	n.waiting = true
	n.ask(func() { require.NoError(n.t, n.s.SetOptions([]Option{activeOnce})) })
}

func (n *loanNode) recv() {
	n.waiting = true
	n.ask(func() { n.s.Recv(0, 0, n) })
}

func (n *loanNode) take() {
	n.got, n.lent = append(n.got, n.lent[0]), n.lent[1:]
	n.settle.taken++
}

func (n *loanNode) report() {
	settle := n.settle
	n.commands = append(n.commands, func() { n.s.Taken(settle.loan, settle.taken) })
}

// pass lets the first of what is under way arrive.
func pass(queue *[]func()) {
	if first := *queue; len(first) > 0 {
		*queue = first[1:]
		first[0]()
	}
}

// onLoan says that what is on loan has been added up.
func (n *loanNode) onLoan(window, longest int) {
	sum := 0
	if l := n.s.loan; l != nil {
		for _, p := range l.lent[l.head:] {
			sum += p.octets
		}
		require.Equal(n.t, sum, l.octets)
		require.LessOrEqual(n.t, sum, len(n.s.in))
		require.Less(n.t, sum, window+longest, "the last packet may be longer than its room")
	}
	require.Equal(n.t, sum, n.s.st.lent)
}

// packetsOf draws packets, as shown, and the stream that they make.
func packetsOf(rt *rapid.T, m packet.Mode) (packets []string, wire string, longest int) {
	add := func(shown, octets string) {
		packets = append(packets, shown)
		wire += octets
		longest = max(longest, len(octets))
	}
	for range rapid.IntRange(1, 60).Draw(rt, "packets") {
		data := pattern(rapid.SampledFrom([]int{0, 1, 5, 40, 255}).Draw(rt, "size"))
		switch m {
		case packet.One:
			add(data, string([]byte{byte(len(data))})+data)
		case packet.Line:
			line := strings.ReplaceAll(data, "\n", " ") + "\n"
			add(line, line)
		default:
			line := fmt.Sprintf("GET /%d HTTP/1.1\r\n", len(data))
			add("request "+line, line)
			for i := range len(data) % 3 {
				line = fmt.Sprintf("X-%d: %d\r\n", i, len(data))
				add("header "+line, line)
			}
			add("end \r\n", "\r\n")
		}
	}
	return packets, wire, longest
}

// TestLoansLoseNothing: however packets are asked for, taken ahead, given back and reported, and
// whatever is under way meanwhile, they come once each and in order.
func TestLoansLoseNothing(t *testing.T) {
	w := newLending(t, 0)
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.SampledFrom([]packet.Mode{packet.One, packet.Line, packet.HTTPBin}).Draw(rt, "mode")
		want, wire, longest := packetsOf(rt, m)
		octets, window := len(wire), rapid.SampledFrom([]int{1, 30, 600, 1 << 17}).Draw(rt, "window")
		s, peer := w.withPeer(rapid.SampledFrom(families).Draw(rt, "family"), passive, mode(m))
		n := &loanNode{t: rt, s: s}
		w.do(func() {
			w.st.sink, w.st.lender = n, n
			w.st.SetAhead(window)
			s.asked.count = uint32(rapid.SampledFrom([]int{0, LoanNumbers - 5}).Draw(rt, "asked"))
			n.asked = int(s.asked.count)
		})
		defer func() {
			w.do(func() {
				s.CloseNow()
				assert.Zero(rt, w.st.lent)
			})
			_ = peer.Close()
		}()
		send := func(n int) {
			write(rt, peer, wire[:n])
			wire = wire[n:]
		}
		for range rapid.IntRange(0, 150).Draw(rt, "steps") {
			w.do(func() {
				switch step := rapid.IntRange(0, 9).Draw(rt, "step"); {
				case step <= 1:
					pass(&n.commands)
				case step <= 3:
					pass(&n.messages)
				case step == 4 && len(wire) > 0:
					send(rapid.IntRange(1, len(wire)).Draw(rt, "cut"))
				case step == 5 && !n.waiting && !n.closed:
					n.arm()
				case step == 6 && !n.waiting && !n.closed:
					n.recv()
				case step == 7:
					n.ask(func() {}) // it does nothing else with the input
				case step == 8 && n.open:
					n.report()
				default:
					for range rapid.IntRange(0, len(n.lent)).Draw(rt, "take") {
						n.take()
					}
				}
				n.onLoan(window, longest)
			})
			if len(wire) == 0 && rapid.IntRange(0, 20).Draw(rt, "close") == 0 {
				require.NoError(rt, peer.Close())
				break
			}
		}
		if len(wire) > 0 {
			send(len(wire))
		}
		_ = peer.Close()
		w.until("the end is told", func() bool {
			for len(n.commands)+len(n.messages) > 0 {
				pass(&n.commands)
				pass(&n.messages)
				n.onLoan(window, longest)
			}
			switch {
			case len(n.lent) > 0:
				n.take()
				n.report()
			case !n.waiting && !n.closed:
				n.arm()
			}
			return n.closed
		})
		require.Equal(rt, want, n.got)
		w.do(func() {
			require.Equal(rt, int64(len(want)), s.Stat(RecvCnt))
			require.Equal(rt, int64(octets), s.Stat(RecvOct))
		})
	})
}

// What reads the input, or changes how it is read, ends a loan by itself: nothing of it was taken.
func TestOperationsEndALoanUnasked(t *testing.T) {
	for name, operation := range map[string]func(s *Socket) (want string){
		"Recv":       func(s *Socket) string { return "b" },
		"Unrecv":     func(s *Socket) string { _ = s.Unrecv([]byte("\x01u")); return "u" },
		"Unread":     func(s *Socket) string { _ = s.Unread([]byte("v")); return "v" },
		"SetOptions": func(s *Socket) string { _ = s.SetOptions([]Option{mode(packet.Raw)}); return "\x01b\x01c" },
	} {
		t.Run(name, func(t *testing.T) {
			overLending(t, 1000, func(t *testing.T, w *lending, f Family) {
				s := w.lent(f, "bc")
				w.do(func() {
					want := operation(s)
					var r taker
					s.Recv(0, 0, &r)
					assert.NoError(t, r.err)
					assert.Equal(t, want, r.got)
				})
			})
		})
	}
}
