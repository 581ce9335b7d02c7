package fault_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/gentcp/gentcp/sockets/fault"
)

// A connection to one address is slow from the first second of its life on, and its first connect fails.
func Example() {
	set := fault.NewSet(1)
	set.Add(0, fault.Rule{ID: 1, Selector: fault.Peer{Port: 80}, Faults: []fault.Fault{
		{When: []fault.Condition{fault.Once()}, Action: fault.Call{Name: fault.Connect, Err: fmt.Errorf("refused")}},
		{When: []fault.Condition{fault.AfterTime(time.Second)}, Way: fault.In, Action: fault.Latency{Delay: 200 * time.Millisecond}},
	}})

	facts := fault.Facts{Socket: 1, Peer: fault.Address{IP: netip.MustParseAddr("10.0.0.1"), Port: 80}}
	line := set.Meet(0, nil, &facts, nil)
	fmt.Println("connect:", line.Call(0, fault.Connect, 0).Err)
	fmt.Println("again:", line.Call(0, fault.Connect, 0).Err)

	facts.Connection = true
	line = set.Meet(0, line, &facts, nil)
	arrive := map[fault.Instant]string{100 * time.Millisecond: "early", 1500 * time.Millisecond: "late"}
	for now := fault.Instant(0); now <= 2*time.Second; now += 100 * time.Millisecond {
		line.In.Push(now, []byte(arrive[now]))
		if octets, _ := line.In.Front(now); len(octets) > 0 {
			fmt.Printf("%v: %s\n", now, octets)
			line.In.Took(len(octets))
		}
	}
	// Output:
	// connect: refused
	// again: <nil>
	// 100ms: early
	// 1.7s: late
}
