package driver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is wrong with a fault is said of the part of it that is wrong.
func TestBadFaults(t *testing.T) {
	deep := strings.Repeat("{once, ", 40) + "blackhole" + strings.Repeat("}", 40)
	p := greeted(t)
	for _, test := range []struct{ faults, which, why string }{
		{"dance", "dance", "unknown_fault"},
		{"{latency}", "{latency}", "unknown_fault"},
		{"{latency, 1, 2, 3}", "{latency, 1, 2, 3}", "unknown_fault"},
		{"17", "17", "unknown_fault"},
		{"\"text\"", "116", "unknown_fault"},
		{"[blackhole | blackhole]", "[blackhole | blackhole]", "bad_list"},
		{"[[blackhole]]", "[blackhole]", "unknown_fault"},
		{"{latency, -1}", "{latency, -1}", "{range, 0, 4294967295}"},
		{"{latency, 4294967296}", "{latency, 4294967296}", "{range, 0, 4294967295}"},
		{"{latency, 1267650600228229401496703205376}", "{latency, 1267650600228229401496703205376}", "{range, 0, 4294967295}"},
		{"{latency, 1.5}", "{latency, 1.5}", "bad_number"},
		{"{latency, 1, never}", "{latency, 1, never}", "bad_number"},
		{"{bandwidth, 0}", "{bandwidth, 0}", "{range, 1, 1000000000000}"},
		{"{slice, 0}", "{slice, 0}", "{range, 1, 1073741824}"},
		{"{slice, 5, 4}", "{slice, 5, 4}", "{range, 5, 1073741824}"},
		{"{stall, 5, 0}", "{stall, 5, 0}", "{range, 1, 9007199254740992}"},
		{"{corrupt, 2}", "{corrupt, 2}", "{range, 0, 1}"},
		{"{corrupt, -0.5}", "{corrupt, -0.5}", "{range, 0, 1}"},
		{"{corrupt, all}", "{corrupt, all}", "bad_number"},
		{"{cut, 5, fin}", "5", "unknown_unit"},
		{"{cut, {calls, 5}, fin}", "{calls, 5}", "unknown_unit"},
		{"{cut, {bytes, 5}, gone}", "gone", "unknown_end"},
		{"{cut, {bytes, -5}, fin}", "{bytes, -5}", "{range, 0, 9007199254740992}"},
		{"{dance, never}", "{dance, never}", "unknown_call"},
		{"{dance, {error, epipe}}", "{dance, {error, epipe}}", "unknown_call"},
		{"{send, sometimes}", "sometimes", "unknown_outcome"},
		{"{send, {error, edance}}", "{error, edance}", "unknown_posix"},
		{"{send, {error, 5}}", "{error, 5}", "unknown_posix"},
		{"{send, {delay, infinity}}", "{delay, infinity}", "bad_number"},
		{"{in, {out, blackhole}}", "{out, blackhole}", "two_directions"},
		{"{in, {send, never}}", "{send, never}", "not_a_stream_fault"},
		{"{probability, 1.5, blackhole}", "{probability, 1.5, blackhole}", "{range, 0, 1}"},
		{"{nth, 0, blackhole}", "{nth, 0, blackhole}", "{range, 1, 9007199254740992}"},
		{"{'after', 5, blackhole}", "{'after', 5, blackhole}", "unknown_unit"},
		{"{'after', {days, 5}, blackhole}", "{days, 5}", "unknown_unit"},
		{"{for, soon, blackhole}", "{for, soon, blackhole}", "bad_number"},
		{"{once, [blackhole, dance]}", "dance", "unknown_fault"},
		{deep, strings.Repeat("{once, ", 7) + "blackhole" + strings.Repeat("}", 7), "too_deep"},
		{"[" + strings.TrimSuffix(strings.Repeat("blackhole, ", 1025), ", ") + "]", "blackhole", "too_many"},
	} {
		want := normal(t, fmt.Sprintf("{error, {bad_fault, %s, %s}}", test.which, test.why))
		assert.Equal(t, want, p.call("{fault_rule, 1, all, %s}", test.faults), test.faults)
		assert.Equal(t, want, p.call("{listen, inet, {loopback, 0}, [{gentcp_fault, %s}]}", test.faults), test.faults)
	}
	assert.Equal(t, "{ok,[]}", p.call("fault_rules"))
	assert.Equal(t, "{ok,[]}", p.call("sockets"))
}

func TestBadSelectors(t *testing.T) {
	deep := strings.Repeat("{all_of, [", 40) + "all" + strings.Repeat("]}", 40)
	p := greeted(t)
	for _, test := range []struct{ selector, which, why string }{
		{"some", "some", "unknown_selector"},
		{"{socket, 0}", "{socket, 0}", "{range, 1, 9223372036854775807}"},
		{"{socket, first}", "{socket, first}", "bad_number"},
		{"{peer, here}", "{peer, here}", "bad_address"},
		{"{peer, {1, 2, 3}}", "{peer, {1, 2, 3}}", "bad_address"},
		{"{peer, {1, 2, 3, 256}}", "{peer, {1, 2, 3, 256}}", "bad_address"},
		{"{peer, {prefix, {1, 2, 3, 4}, 33}}", "{peer, {prefix, {1, 2, 3, 4}, 33}}", "bad_address"},
		{"{peer, {{1, 2, 3, 4}, 70000}}", "{peer, {{1, 2, 3, 4}, 70000}}", "{range, 0, 65535}"},
		{"{direction, up}", "{direction, up}", "unknown_direction"},
		{"{family, ipx}", "{family, ipx}", "unknown_family"},
		{"{all_of, all}", "{all_of, all}", "bad_list"},
		{"{any_of, [all, some]}", "some", "unknown_selector"},
		{"{nth, 0, all}", "{nth, 0, all}", "{range, 1, 9007199254740992}"},
		{deep, strings.Repeat("{all_of, [", 7) + "all" + strings.Repeat("]}", 7), "too_deep"},
	} {
		want := normal(t, fmt.Sprintf("{error, {bad_fault, %s, %s}}", test.which, test.why))
		assert.Equal(t, want, p.call("{fault_rule, 1, %s, []}", test.selector), test.selector)
	}
	assert.Equal(t, "{ok,[]}", p.call("fault_rules"))
}

func TestGoodFaultsAndSelectors(t *testing.T) {
	p := greeted(t)
	for _, faults := range []string{
		"[]", "blackhole", "record", "{latency, 0}", "{latency, 5, 10}", "{bandwidth, 1}", "{slice, 1, 1}", "{stall, 0, 1}", "{corrupt, 1}", "{corrupt, 0.5}",
		"{cut, {bytes, 0}, rst}", "{cut, {ms, 5}, silent}", "{in, [blackhole, {slice, 5}]}", "{send, {error, closed}}", "{recv, {error, timeout}}",
		"{close, {error, eio}}", "{listen, {error, eaddrinuse}}", "{accept, {delay, 5}}", "{connect, never}",
		"{probability, 0.5, {nth, 2, {'after', {calls, 1}, {'after', {ms, 5}, {for, 10, {once, [{out, blackhole}]}}}}}}",
	} {
		require.Equal(t, "ok", p.call("{fault_rule, 1, all, %s}", faults), faults)
		require.Equal(t, normal(t, "{ok, [{1, all, "+faults+"}]}"), p.call("fault_rules"))
	}
	for _, selector := range []string{
		"all", "{socket, 5}", "{listener, 5}", "{owner, me}", "{ancestor, {some, [term]}}", "{peer, {1, 2, 3, 4}}", "{peer, {{1, 2, 3, 4}, 80}}",
		"{peer, {prefix, {1, 2, 3, 4}, 8}}", "{local, {port, 80}}", "{local, {{0, 0, 0, 0, 0, 0, 0, 1}, {port, 80}}}",
		"{peer, {{prefix, {1, 2, 3, 4}, 8}, {port, 80}}}", "{local, {local, <<\"/run/shop\">>}}", "{direction, in}", "{family, local}",
		"{all_of, []}", "{any_of, [all, {none_of, [all]}]}", "{nth, 2, {family, inet}}",
	} {
		require.Equal(t, "ok", p.call("{fault_rule, 1, %s, []}", selector), selector)
		require.Equal(t, normal(t, "{ok, [{1, "+selector+", []}]}"), p.call("fault_rules"))
	}
}

func TestCallsThatAreNeverAnswered(t *testing.T) {
	p := greeted(t)
	l, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}, {send_timeout, 20}]")
	port := p.port(l)
	require.Equal(t, "ok", p.call("{fault_rule, 1, all, [{connect, never}, {accept, never}, {recv, never}, {send, never}, {close, never}, {listen, never}]}"))
	start := time.Now()
	assert.Equal(t, "{error,timeout}", p.call("{connect, inet, {loopback, %d}, undefined, [], 20}", port))
	assert.Equal(t, "{error,timeout}", p.call("{accept, %d, 20}", l))
	assert.Equal(t, "{error,timeout}", p.call("{recv, %d, 0, 20}", s))
	assert.Equal(t, "{error,timeout}", p.call("{send, %d, <<\"lost\">>}", c))
	assert.GreaterOrEqual(t, time.Since(start), 80*time.Millisecond)

	// Each can be withdrawn, or ends with its socket, and close is answered last.
	for tag, command := range []string{
		fmt.Sprintf("{connect, inet, {loopback, %d}, undefined, [], infinity}", port), "{listen, inet, {loopback, 0}, []}",
		fmt.Sprintf("{accept, %d, infinity}", l), fmt.Sprintf("{recv, %d, 0, infinity}", s), fmt.Sprintf("{send, %d, <<\"lost\">>}", s), fmt.Sprintf("{close, %d}", s),
	} {
		p.send("{call, %d, %s}", tag, command)
		require.Empty(t, p.alive(), command)
		p.send("{cancel, %d}", tag)
		p.expect(fmt.Sprintf("{reply, %d, {error, cancelled}}", tag))
	}
	for tag, command := range []string{"{recv, %d, 0, infinity}", "{send, %d, <<\"lost\">>}", "{close, %d}"} {
		p.send("{call, %d, "+command+"}", tag, s)
	}
	p.send("{close, %d}", s)
	p.expect("{reply, 0, {error, closed}}", "{reply, 1, {error, closed}}", fmt.Sprintf("{gone, %d, normal}", s), "{reply, 2, ok}")
	p.send("{call, 3, {accept, %d, infinity}}", l)
	p.send("{close, %d}", l)
	p.expect("{reply, 3, {error, closed}}", fmt.Sprintf("{gone, %d, normal}", l))
	assert.Equal(t, fmt.Sprintf("{ok,[%d]}", c), p.call("sockets"), "nothing of what never came is left")
}

func TestCallsThatFail(t *testing.T) {
	p := greeted(t)
	l, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}]")
	port := p.port(l)
	require.Equal(t, "ok", p.call(`{fault_rule, 1, all, [{connect, {error, enetunreach}}, {accept, {error, emfile}}, {recv, {error, etimedout}},
		{send, {error, closed}}, {close, {error, eio}}, {listen, {error, eacces}}]}`))
	assert.Equal(t, "{error,enetunreach}", p.call("{connect, inet, {loopback, %d}, undefined, [], 20}", port))
	assert.Equal(t, "{error,eacces}", p.call("{listen, inet, {loopback, 0}, []}"))
	assert.Equal(t, "{error,emfile}", p.call("{accept, %d, infinity}", l))
	assert.Equal(t, "{error,etimedout}", p.call("{recv, %d, 0, infinity}", s))
	assert.Equal(t, "{error,closed}", p.call("{send, %d, <<\"lost\">>}", s))
	p.send("{call, close, {close, %d}}", s)
	p.expect(fmt.Sprintf("{gone, %d, normal}", s), "{reply, close, {error, eio}}")
	require.Equal(t, "ok", p.call("fault_clear"))
	assert.Equal(t, "{error,closed}", p.call("{recv, %d, 0, infinity}", c), "the close has taken place")
}

func TestCallsThatAreDelayed(t *testing.T) {
	p := greeted(t)
	l, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}]")
	port := p.port(l)
	require.Equal(t, "ok", p.call("{fault_rule, 1, all, [{connect, {delay, 20}}, {accept, {delay, 20}}, {recv, {delay, 20}}, {send, {delay, 20}}, {close, {delay, 20}}]}"))
	start := time.Now()
	p.send("{call, 1, {connect, inet, {loopback, %d}, undefined, [], infinity}}", port)
	p.expect(fmt.Sprintf("{reply, 1, {ok, %d}}", s+1))
	p.send("{call, 2, {accept, %d, infinity}}", l)
	p.expect(fmt.Sprintf("{reply, 2, {ok, %d}}", s+2))
	assert.Equal(t, "ok", p.call("{send, %d, <<\"late\">>}", c))
	assert.Equal(t, "{ok,<<\"late\">>}", p.call("{recv, %d, 0, infinity}", s))
	assert.GreaterOrEqual(t, time.Since(start), 80*time.Millisecond)
	p.send("{call, 3, {close, %d}}", s)
	p.expect(fmt.Sprintf("{gone, %d, normal}", s), "{reply, 3, ok}")
	assert.GreaterOrEqual(t, time.Since(start), 100*time.Millisecond)

	// The time of the call counts all the same.
	require.Equal(t, "ok", p.call("{fault_rule, 1, all, [{recv, {delay, 3600000}}]}"))
	assert.Equal(t, "{error,timeout}", p.call("{recv, %d, 0, 10}", c))
}

// Sends that are delayed keep their order with all that comes behind them, long ones and parts included.
func TestDelayedSendsKeepTheirOrder(t *testing.T) {
	p := greeted(t)
	_, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}]")
	require.Equal(t, "ok", p.call("{fault_rule, 1, {socket, %d}, [{once, [{send, {delay, 50}}]}]}", c))
	long := strings.Repeat("x", 100_000)
	p.send("{call, 1, {send, %d, <<\"first \">>}}", c)
	p.send("{send, %d, <<\"second \">>}", c)
	p.send("{call, 3, {send, %d, <<\"%s\">>}}", c, long)
	p.send("{send_part, %d, 1, 6, <<\"fou\">>}", c)
	p.send("{call, 4, {send_part, %d, 1, 6, <<\"rth\">>}}", c)
	p.send("{sendfile_part, %d, <<\" fifth\">>}", c)
	p.send("{call, 6, {shutdown, %d, write}}", c)
	p.expect("{reply, 1, ok}", "{reply, 3, ok}", "{reply, 4, ok}", "{reply, 6, ok}")
	want := "first second " + long + "fourth fifth"
	got := p.call("{recv, %d, %d, infinity}", s, len(want))
	assert.Equal(t, fmt.Sprintf("{ok,<<\"%s\">>}", want), got)
	assert.Equal(t, "{error,closed}", p.call("{recv, %d, 0, infinity}", s))
}

// A send in parts is one call, which comes to one thing, and counts once.
func TestFaultsOnSendsInParts(t *testing.T) {
	p := greeted(t)
	_, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}]")
	require.Equal(t, "ok", p.call("{fault_rule, 1, {socket, %d}, [{nth, 2, [{send, {error, etimedout}}]}, {nth, 3, [{send, never}]}]}", c))
	send := func(text string) {
		p.send("{send_part, %d, 1, 6, <<\"%s\">>}", c, text[:3])
		p.send("{call, %s, {send_part, %d, 1, 6, <<\"%s\">>}}", text, c, text[3:])
	}
	send("first_")
	p.expect("{reply, first_, ok}")
	send("second")
	p.expect("{reply, second, {error, etimedout}}")
	send("third_")
	send("fourth")
	p.expect("{reply, fourth, ok}")
	long := strings.Repeat("x", 100_000)
	require.Equal(t, "ok", p.call("{send, %d, <<\"%s\">>}", c, long))
	assert.Equal(t, "{ok,<<\"first_fourth"+long+"\">>}", p.call("{recv, %d, %d, infinity}", s, 12+len(long)))
}

// What was cast behind a delayed send is not lost when the socket is closed.
func TestCloseBehindDelayedSends(t *testing.T) {
	p := greeted(t)
	_, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}]")
	require.Equal(t, "ok", p.call("{fault_rule, 1, {socket, %d}, [{send, {delay, 3600000}}]}", c))
	p.send("{send, %d, <<\"one \">>}", c)
	p.send("{send, %d, <<\"two\">>}", c)
	p.send("{call, 1, {close, %d}}", c)
	p.expect(fmt.Sprintf("{gone, %d, normal}", c), "{reply, 1, ok}")
	assert.Equal(t, "{ok,<<\"one two\">>}", p.call("{recv, %d, 7, infinity}", s))
	assert.Equal(t, "{error,closed}", p.call("{recv, %d, 0, infinity}", s))
}

func TestRecordedCallsAndOctets(t *testing.T) {
	p := greeted(t)
	require.Equal(t, "ok", p.call("{fault_rule, 9, all, [record]}"))
	_, c, s := p.pair("[binary, {active, false}]", "[binary, {active, false}]")
	require.Equal(t, "ok", p.call("{send, %d, <<\"abc\">>}", c))
	require.Equal(t, "{ok,<<\"abc\">>}", p.call("{recv, %d, 3, infinity}", s))
	log := p.call("fault_log")
	for _, want := range []string{
		"1,listen,record,9}", "2,connect,record,9}", "1,accept,record,9}", "2,send,record,9}", "3,recv,record,9}", "2,{out,0,3},record,9}", "3,{in,0,3},record,9}",
	} {
		assert.Contains(t, log, want)
	}
}

// A socket that is given an owner before it is reported at all meets the faults of that one.
func TestKinThatOpens(t *testing.T) {
	p := greeted(t)
	require.Equal(t, "ok", p.call("{fault_rule, 1, {owner, me}, [{listen, {error, eacces}}, {connect, {error, eacces}}]}"))
	require.Equal(t, "ok", p.call("{fault_rule, 2, {nth, 2, {ancestor, them}}, [{listen, {error, emfile}}]}"))
	assert.Equal(t, "{error,eacces}", p.call("{listen, inet, {loopback, 0}, [{gentcp_kin, [me]}]}"))
	assert.Equal(t, "{error,eacces}", p.call("{connect, inet, {loopback, 1}, undefined, [{gentcp_kin, [me, them]}], 0}"))
	assert.Equal(t, "{error,emfile}", p.call("{listen, inet, {loopback, 0}, [{gentcp_kin, [you, them]}]}"))
	p.open("{listen, inet, {loopback, 0}, [{gentcp_kin, [you, them]}]}")
	p.open("{listen, inet, {loopback, 0}, []}")
	assert.Regexp(t, `^\{error,\{bad_option,`, p.call("{listen, inet, {loopback, 0}, [{gentcp_kin, me}]}"))
}

// Each send that waits behind a delayed one is answered once, however the socket ends.
func TestSocketsThatEndWithDelayedSends(t *testing.T) {
	for name, end := range map[string]string{"cast": "{close, %d}", "called": "{call, close, {close, %d}}", "by the peer": "{close, %d}"} {
		t.Run(name, func(t *testing.T) {
			p := greeted(t)
			_, c, s := p.pair("[binary, {active, false}]", "[binary, {active, true}]")
			require.Equal(t, "ok", p.call("{fault_rule, 1, {socket, %d}, [{once, [{send, {delay, 3600000}}]}]}", c))
			for tag := range 4 {
				p.send("{call, %d, {send, %d, <<\"%d\">>}}", tag, c, tag)
			}
			gone := fmt.Sprintf("{gone,%d,normal}", c)
			if name == "by the peer" {
				p.send(end, s)
			} else {
				p.send(end, c)
			}
			answers := map[string]int{}
			for _, m := range append(p.until(gone), p.alive()...) {
				answers[m[:9]]++
			}
			for tag := range 4 {
				assert.Equal(t, 1, answers[fmt.Sprintf("{reply,%d,", tag)], "send %d", tag)
			}
			if name != "by the peer" {
				assert.Regexp(t, `^\{(error,closed|ok,<<"[^0]*">>)\}$`, p.call("{recv, %d, 0, infinity}", s), "what was answered with closed is not sent")
			}
		})
	}
}
