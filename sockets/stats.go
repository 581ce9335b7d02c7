package sockets

import "math"

// counters are the statistics of one direction as inet_drv.c keeps them:
// packets and their octets, headers included.
type counters struct {
	octets  uint64
	packets uint64
	max     int
	avg     float64
	dvi     float64
}

func (c *counters) count(n int) {
	c.octets += uint64(n)
	c.packets++
	c.avg += (float64(n) - c.avg) / float64(c.packets)
	c.dvi += ((float64(n) - c.avg) - c.dvi) / float64(c.packets)
	c.max = max(c.max, n)
}

// traffic is what has passed through a socket.
type traffic struct {
	received, sent        counters
	portInput, userOutput uint64 // see Socket.Traffic
}

// Stat is one of the statistics of inet:getstat/2.
type Stat uint8

// The statistics, in the order in which inet:getstat/1 gives them.
const (
	RecvOct Stat = iota
	RecvCnt
	RecvMax
	RecvAvg
	RecvDvi
	SendOct
	SendCnt
	SendMax
	SendAvg
	SendPend
	stats
)

var statNames = [stats]string{
	"recv_oct", "recv_cnt", "recv_max", "recv_avg", "recv_dvi",
	"send_oct", "send_cnt", "send_max", "send_avg", "send_pend",
}

func (n Stat) String() string { return statNames[n] }

// StatByName finds a statistic by its name in inet:getstat/2.
func StatByName(name string) (Stat, bool) {
	for i, s := range statNames {
		if s == name {
			return Stat(i), true
		}
	}
	return 0, false
}

// Stats gives all statistics, in the order of inet:getstat/1.
func Stats() []Stat {
	all := make([]Stat, stats)
	for i := range all {
		all[i] = Stat(i)
	}
	return all
}

// Stat is the value of a statistic. Averages are truncated as inet:getstat/2 does.
func (s *Socket) Stat(n Stat) int64 {
	switch n {
	case RecvOct:
		return int64(s.received.octets)
	case RecvCnt:
		return int64(s.received.packets)
	case RecvMax:
		return int64(s.received.max)
	case RecvAvg:
		return int64(s.received.avg)
	case RecvDvi:
		return int64(math.Abs(s.received.dvi))
	case SendOct:
		return int64(s.sent.octets)
	case SendCnt:
		return int64(s.sent.packets)
	case SendMax:
		return int64(s.sent.max)
	case SendAvg:
		return int64(s.sent.avg)
	case SendPend:
		return int64(s.pending())
	}
	return 0
}
