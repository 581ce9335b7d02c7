package driver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWithoutIsAFlag(t *testing.T) {
	var w Without
	assert.Empty(t, w.String())
	require.NoError(t, w.Set("splice,ahead"))
	assert.Equal(t, Without{Splice: true, Ahead: true}, w)
	assert.Equal(t, "splice,ahead", w.String())
	assert.ErrorContains(t, w.Set("credit,speed"), `no technique is called "speed", but credit, `)
	assert.Error(t, w.Set(""))
}

// Whatever is left out, the answers are the same; and what a node has asked for does not come.
func TestWithoutTechniques(t *testing.T) {
	asked := map[string]string{"credit": "send_credit => true", "ahead": "ahead => 131072", "lines": "lines => true"}
	for name := range strings.SplitSeq(Techniques(), ", ") {
		t.Run(name, func(t *testing.T) {
			var w Without
			require.NoError(t, w.Set(name))
			p := start(t, Config{Without: w}, "{hello, 1, #{"+asked[name]+"}}")
			p.pair("[binary, {packet, 4}, {active, false}]", "[binary, {packet, 4}, {active, false}]")
			large := strings.Repeat("x", 300_000)
			p.send(`{send, 2, <<"one">>}`)
			p.send(`{send, 2, <<"two">>}`)
			p.send(`{send, 2, <<"%s">>}`, large)
			require.Equal(t, `{ok,<<"one">>}`, p.call("{recv, 3, 0, infinity}"))
			require.Equal(t, `{ok,<<"two">>}`, p.call("{recv, 3, 0, infinity}"))
			require.Equal(t, "ok", p.call("{setopts, 3, [{packet, raw}]}"))
			require.Equal(t, `{ok,<<0,4,147,224>>}`, p.call("{recv, 3, 4, infinity}"))
			require.Equal(t, `{ok,<<"`+large+`">>}`, p.call("{recv, 3, 300000, infinity}"))
		})
	}
}
