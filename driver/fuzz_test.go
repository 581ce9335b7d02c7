package driver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

// Whatever the frames are that a node sends, the session neither fails nor hangs: it answers
// each call at most once, a ping behind them for sure, and it ends when stdin does.
func FuzzSession(f *testing.F) {
	for name, e := range readExamples(f) {
		if e.toGo && name != "fdopen" {
			f.Add(e.frame)
		}
	}
	for _, r := range commandRows {
		text := r.with(r.args, strings.NewReplacer("L", "1", "C", "2", "S", "3"))
		f.Add(append(frameOf(f, "{call, 1, "+text+"}"), frameOf(f, text)...))
	}
	// Three packets of which one is asked for, and two are lent; what is asked then ends the loan.
	var loan []byte
	for _, text := range []string{
		"{send, 2, <<\"a\">>}", "{send, 2, <<\"b\">>}", "{send, 2, <<\"c\">>}", "{call, 1, {recv, 3, 0, infinity}}", "{taken, 3, 1, 1}",
		"{call, 2, {settle, 3, 1, 1, {getstat, 3, [recv_cnt]}}}", "{settle, 3, 2, 0}", "{call, 3, {setopts, 3, [{active, once}]}}",
	} {
		loan = append(loan, frameOf(f, text)...)
	}
	f.Add(loan)
	// Octets, and calls, that meet faults, which come and go.
	var faulty []byte
	for _, text := range []string{
		"{fault_rule, 1, all, [{in, {slice, 1}}, {out, [{latency, 1, 1}, {stall, 1, 2}]}, {once, {send, {delay, 1}}}, {probability, 0.5, {corrupt, 0.5}}]}",
		"{call, 1, {send, 2, <<\"abc\">>}}", "{send, 2, <<\"def\">>}", "{call, 2, {recv, 3, 0, 5}}", "{fault_rule, 1, {socket, 3}, [{cut, {bytes, 2}, silent}, {recv, never}]}",
		"{call, 3, {recv, 3, 0, 5}}", "{fault_rule, 2, {listener, 1}, [record, {for, 5, blackhole}, {close, {error, eio}}]}", "{call, 4, {close, 3}}", "{fault_clear}",
		"{call, 5, {setopts, 2, [{gentcp_fault, {cut, {ms, 0}, rst}}]}}", "{call, 6, fault_log}",
	} {
		faulty = append(faulty, frameOf(f, text)...)
	}
	f.Add(faulty)
	f.Fuzz(func(t *testing.T, stream []byte) {
		var frames []byte
		calls := map[string]int{}
		for range 20 {
			payload, n, err := portproto.NextFrame(stream, 1<<16)
			if err != nil || payload == nil {
				break
			}
			stream = stream[n:]
			c, _ := portproto.ReadCommand(payload) // what is none is sent, too
			if reachesOut(&c) || string(c.Tag) == string(etf.AppendAtom(nil, "fin")) {
				continue
			}
			if c.Called {
				calls[string(c.Tag)]++
			}
			frames = append(frames, framed(payload)...)
		}

		p := start(t, Config{}, "{hello, 1, #{ahead => 1000, lines => true}}")
		p.pair("[binary, {packet, 1}, {active, false}]", "[binary, {packet, 1}, {active, false}]")
		p.write(frames)
		p.write(frameOf(t, "{call, fin, ping}"))
		answered := false
		for !answered {
			m := p.nextRaw()
			switch {
			case bytes.Equal(m, reply("fin")):
				answered = true
			case bytes.HasPrefix(m, portproto.AppendReply(nil, nil)):
				s := etf.NewScanner(m[len(portproto.AppendReply(nil, nil)):])
				tag := string(s.Raw())
				if calls[tag]--; calls[tag] < 0 {
					t.Fatalf("an answer to nobody: %s", textOf(t, m))
				}
			}
		}
		_ = p.in.Close()
		if err := p.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// reply is the answer to a ping.
func reply(tag string) []byte {
	b := portproto.AppendOK(portproto.AppendReply(nil, etf.AppendAtom(nil, tag)))
	return etf.AppendAtom(b, "pong")
}

// reachesOut reports whether a command may touch more than this test: only listen on any port
// of the loopback address, and connect to its port 1, where nobody is, are for a fuzzer.
func reachesOut(c *portproto.Command) bool {
	switch string(c.Name) {
	case "listen", "connect":
		port := map[string]string{"listen": "\x61\x00", "connect": "\x61\x01"}[string(c.Name)]
		args := c.Args
		args.Skip()
		return string(args.Raw()) != "\x68\x02\x77\x08loopback"+port || bytes.Contains(args.Rest(), []byte("raw"))
	case "fdopen", "sendfile":
		return true
	case "setopts", "settle": // raw options can do anything
		return bytes.Contains(c.Args.Rest(), []byte("raw"))
	}
	return false
}

func TestWhatAFuzzerMayDo(t *testing.T) {
	for text, out := range map[string]bool{
		"{listen, inet, {any, 0}, []}": true, "{listen, inet, {loopback, 80}, []}": true, "{listen, inet, {loopback, 0}, []}": false,
		"{call, 1, {connect, inet, {loopback, 80}, undefined, [], 1}}": true,
		"{call, 1, {connect, inet, {loopback, 1}, undefined, [], 1}}":  false,
		"{setopts, 1, [{raw, 1, 1, <<>>}]}":                            true,
		"{settle, 1, 0, 0, {setopts, 1, [{raw, 1, 1, <<>>}]}}":         true, "{sendfile, 1, \"/\", 0, 0}": true, "ping": false,
	} {
		c, err := portproto.ReadCommand(frameOf(t, text)[portproto.FrameHeader:])
		if err != nil || reachesOut(&c) != out {
			t.Error(text, err)
		}
	}
}
