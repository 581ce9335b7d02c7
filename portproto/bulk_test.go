package portproto_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

func TestReadBulk(t *testing.T) {
	data := string(make([]byte, 1000))
	binary := etf.Format([]byte(data))
	type want struct {
		id, key      int64
		part, called bool
		total        int
	}
	for text, w := range map[string]want{
		"{send, 7, " + binary + "}":                                       {id: 7, total: 1000},
		"{call, <<\"tag\">>, {send, 7, " + binary + "}}":                  {id: 7, total: 1000, called: true},
		"{send_part, 7, -3, 5000, " + binary + "}":                        {id: 7, key: -3, part: true, total: 5000},
		"{call, [tag], {send_part, 5000000000, 9, 1000, " + binary + "}}": {id: 5000000000, key: 9, part: true, total: 1000, called: true},
	} {
		whole := frame(payload(t, text))
		head := len(whole) - len(data)
		for _, have := range []int{head, head + 1, len(whole) - 1} {
			b, ok := portproto.ReadBulk(whole[:have], len(whole))
			assert.True(t, ok, "%.40s with %d octets", text, have)
			assert.Equal(t, w, want{b.ID, b.Key, b.Part, b.Called, b.Total}, "%.40s", text)
			assert.Equal(t, []int{head, 1000}, []int{b.Head, b.Data}, "%.40s", text)
		}
		for have := range head {
			_, ok := portproto.ReadBulk(whole[:have], len(whole))
			assert.False(t, ok, "%.40s with %d octets of %d before the data", text, have, head)
		}
		_, ok := portproto.ReadBulk(whole[:head], len(whole)+1)
		assert.False(t, ok, "%.40s: something follows the data", text)
	}
	for _, text := range []string{
		"{recv, 7, " + binary + "}", "{send, " + binary + "}", "{send, 7, " + binary + ", more}", "{send, seven, " + binary + "}",
		"{send, 7, [" + binary + "]}", "{call, 1, me, {send, 7, " + binary + "}}", "{send_part, 7, 1, 999, " + binary + "}",
		"{send_part, 7, 1, -1, " + binary + "}", "{send_part, 7, 1, 1099511627776, " + binary + "}", "{send_part, 7, key, 1000, " + binary + "}",
		"{call, 1, {call, 1, {send, 7, " + binary + "}}}", binary,
	} {
		whole := frame(payload(t, text))
		_, ok := portproto.ReadBulk(whole[:len(whole)-1], len(whole))
		assert.False(t, ok, "%.60s is to be read as a whole", text)
	}
}
