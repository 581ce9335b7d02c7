package fault_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gentcp/gentcp/sockets/fault"
)

func TestSelectors(t *testing.T) {
	f := fault.Facts{
		Socket: 7, Listener: 3, Family: "inet", Connection: true, Incoming: true,
		Peer:  fault.Address{IP: netip.MustParseAddr("10.1.2.3"), Port: 4000},
		Local: fault.Address{IP: netip.MustParseAddr("::ffff:127.0.0.1"), Port: 80},
		Kin:   [][]byte{[]byte("me"), []byte("parent")},
	}
	local := fault.Facts{Socket: 8, Family: "local", Peer: fault.Address{Path: "/run/a"}}
	prefix := netip.MustParsePrefix
	for _, test := range []struct {
		selector fault.Selector
		first    bool
		second   bool
	}{
		{fault.All{}, true, true},
		{fault.Socket(7), true, false},
		{fault.Socket(3), false, false},
		{fault.Listener(3), true, false},
		{fault.Listener(7), true, false},
		{fault.Owner("me"), true, false},
		{fault.Owner("parent"), false, false},
		{fault.Ancestor("me"), true, false},
		{fault.Ancestor("parent"), true, false},
		{fault.Ancestor("other"), false, false},
		{fault.Incoming(true), true, false},
		{fault.Incoming(false), false, true},
		{fault.Family("inet"), true, false},
		{fault.Family("local"), false, true},
		{fault.Peer{Prefix: prefix("10.1.0.0/16"), AnyPort: true}, true, false},
		{fault.Peer{Prefix: prefix("10.1.0.0/16"), Port: 4001}, false, false},
		{fault.Peer{Prefix: prefix("10.2.0.0/16"), AnyPort: true}, false, false},
		{fault.Peer{Port: 4000}, true, false},
		{fault.Peer{Path: "/run/a", IsPath: true}, false, true},
		{fault.Peer{Path: "/run/b", IsPath: true}, false, false},
		{fault.Peer{AnyPort: true}, true, false},
		{fault.Local{Prefix: prefix("127.0.0.0/8"), Port: 80}, true, false},
		{fault.Local{Prefix: prefix("::ffff:127.0.0.1/128"), Port: 80}, true, false},
		{fault.AllOf{fault.Socket(7), fault.Incoming(true)}, true, false},
		{fault.AllOf{fault.Socket(7), fault.Incoming(false)}, false, false},
		{fault.AllOf{}, true, true},
		{fault.AnyOf{fault.Socket(7), fault.Socket(8)}, true, true},
		{fault.AnyOf{}, false, false},
		{fault.NoneOf{fault.Socket(7)}, false, true},
	} {
		assert.Equal(t, test.first, test.selector.Selects(&f), "%T %v", test.selector, test.selector)
		assert.Equal(t, test.second, test.selector.Selects(&local), "%T %v", test.selector, test.selector)
	}
}

func TestTheNthSocketThatIsSelected(t *testing.T) {
	second := &fault.NthSocket{N: 2, Selector: fault.Family("inet")}
	for round := range 2 {
		for i, family := range []string{"local", "inet", "inet6", "inet", "inet"} {
			selected := second.Selects(&fault.Facts{Socket: int64(i + 1), Family: family})
			assert.Equal(t, i == 3, selected, "round %d, socket %d", round, i+1)
		}
	}
}
