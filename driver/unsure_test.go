package driver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A recv by somebody who does not know yet that the one before was told waits for news, and gets the packet
// that comes back.
func TestRecvWaitsForAPacketThatComesBack(t *testing.T) {
	p, _, s := oneOfTwo(t)
	p.send("{call, next, {recv, %d, 0, infinity, 0}}", s)
	p.expect(fmt.Sprintf("{unsure, %d}", s))
	require.Empty(t, p.alive(), "it waits")
	p.send("{unread, %d, <<\"one\">>}", s)
	p.send("{told, %d, 0}", s)
	p.expect(`{reply, next, {ok, <<"one">>}}`)
	p.send("{call, last, {recv, %d, 0, infinity, 1}}", s)
	p.expect(`{reply, last, {ok, <<"two">>}}`)
}

// If it does not come back the next one is the next.
func TestRecvGoesOnWhenNothingComesBack(t *testing.T) {
	p, _, s := oneOfTwo(t)
	p.send("{call, next, {recv, %d, 0, infinity, 0}}", s)
	p.expect(fmt.Sprintf("{unsure, %d}", s))
	p.send("{told, %d, 1}", s)
	p.expect(`{reply, next, {ok, <<"two">>}}`)
}

// Whoever knows of all answers, or says nothing of them, need not wait.
func TestRecvDoesNotWaitForWhatIsKnown(t *testing.T) {
	for _, recv := range []string{"{recv, %d, 0, infinity, 1}", "{recv, %d, 0, infinity}"} {
		p, _, s := oneOfTwo(t)
		p.send("{call, next, "+recv+"}", s)
		p.expect(`{reply, next, {ok, <<"two">>}}`)
	}
}

// What comes behind a command that waits stays behind it, if it asks for the input; what does not is no later for it.
func TestCommandsStayBehindOneThatWaits(t *testing.T) {
	p, _, s := oneOfTwo(t)
	name := "{reply, name, " + p.call("{sockname, %d}", s) + "}"
	p.send("{call, next, {setopts, %d, [{active, once}], 0}}", s)
	p.send("{call, behind, {getopts, %d, [active]}}", s)
	p.send("{call, settled, {settle, %d, 0, 0, {getopts, %d, [active]}}}", s, s)
	p.send("{call, other, {cancel, nobody}}")
	p.send("{call, name, {sockname, %d}}", s)
	p.expect(fmt.Sprintf("{unsure, %d}", s), "{reply, other, ok}", name)
	p.send("{unread, %d, <<\"one\">>}", s)
	p.send("{call, told, {told, %d, 0}}", s)
	p.expect("{reply, told, ok}", fmt.Sprintf(`{tcp, %d, <<"one">>}`, s), "{reply, next, ok}",
		"{reply, behind, {ok, [{active, false}]}}", "{reply, settled, {ok, [{active, false}]}}")
}

// Each of several that wait is asked about anew if the one before it has been answered.
func TestSeveralWait(t *testing.T) {
	p, _, s := oneOfTwo(t)
	p.send("{call, next, {recv, %d, 0, infinity, 0}}", s)
	p.send("{call, later, {recv, %d, 0, infinity, 0}}", s)
	p.expect(fmt.Sprintf("{unsure, %d}", s))
	p.send("{unread, %d, <<\"one\">>}", s)
	p.send("{told, %d, 0}", s)
	p.expect(`{reply, next, {ok, <<"one">>}}`, fmt.Sprintf("{unsure, %d}", s))
	p.send("{unread, %d, <<\"one\">>}", s) // that one was dead as well
	p.send("{told, %d, 0}", s)
	p.expect(`{reply, later, {ok, <<"one">>}}`)
}

// News of the answers before the question is no news of one that was given since.
func TestAnAnswerSinceTheQuestion(t *testing.T) {
	p := greeted(t)
	_, c, s := p.pair("[binary, {packet, 1}, {active, false}]", "[{packet, 1}]")
	p.send("{call, first, {recv, %d, 0, infinity, 0}}", s)
	p.send("{call, next, {recv, %d, 0, infinity, 7}}", s) // a count that is wrong
	p.expect(fmt.Sprintf("{unsure, %d}", s))
	require.Equal(t, "ok", p.call("{send, %d, <<\"one\">>}", c))
	p.expect(`{reply, first, {ok, <<"one">>}}`)
	p.send("{told, %d, 0}", s)
	p.expect(fmt.Sprintf("{unsure, %d}", s))
	p.send("{unread, %d, <<\"one\">>}", s)
	p.send("{told, %d, 0}", s)
	p.expect(`{reply, next, {ok, <<"one">>}}`)
}

// A call that waits for news can be withdrawn, and is answered when the socket ends.
func TestTheEndOfWaitingForNews(t *testing.T) {
	p, c, s := oneOfTwo(t)
	p.send("{call, next, {recv, %d, 0, infinity, 0}}", s)
	p.send("{call, behind, {recv, %d, 0, infinity, 0}}", s)
	p.expect(fmt.Sprintf("{unsure, %d}", s))
	p.send("{cancel, next}")
	p.expect("{reply, next, {error, cancelled}}")
	p.send("{call, close, {close, %d}}", s)
	p.expect("{reply, behind, {error, closed}}", fmt.Sprintf("{gone, %d, normal}", s), "{reply, close, ok}")
	p.expect(fmt.Sprintf("{tcp_closed, %d}", c), fmt.Sprintf("{gone, %d, normal}", c))
	p.send("{told, %d, 1}", s)
	assert.Empty(t, p.alive())
}

// oneOfTwo is a session with a connection that "one" and "two" have been sent on, and of which a recv has got the first.
func oneOfTwo(t *testing.T) (p *peer, client, server int) {
	p = greeted(t)
	_, client, server = p.pair("[binary, {packet, 1}, {active, false}]", "[{packet, 1}]")
	for _, data := range []string{"one", "two"} {
		require.Equal(t, "ok", p.call("{send, %d, <<%q>>}", client, data))
	}
	require.Equal(t, `{ok,<<"one">>}`, p.call("{recv, %d, 0, infinity, 0}", server))
	return p, client, server
}
