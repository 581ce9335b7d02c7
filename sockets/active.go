package sockets

import "golang.org/x/sys/unix"

// ActiveMode says who takes the packets of a socket.
type ActiveMode uint8

// The values of the option active; ActiveN goes with a count.
const (
	Passive ActiveMode = iota
	Active
	Once
	ActiveN
)

const (
	maxActiveCount = 1<<15 - 1
	minActiveCount = -1 << 15
)

// active is the value of the option active.
type active struct {
	mode  ActiveMode
	count int
}

// set changes the mode as inet_drv.c does: a count is added to what is left of
// the last one, and anything else forgets it. fell reports that the result of
// a count was not positive, which is reported with tcp_passive every time.
func (a *active) set(mode ActiveMode, n int) (fell bool, err error) {
	if mode != ActiveN {
		*a = active{mode: mode}
		return false, nil
	}
	sum := a.count + n
	if sum > maxActiveCount || sum < minActiveCount {
		return false, unix.EINVAL
	}
	if sum <= 0 {
		*a = active{mode: Passive}
		return true, nil
	}
	*a = active{mode: ActiveN, count: sum}
	return false, nil
}

// delivered counts one packet. fell reports that the count has come to 0.
func (a *active) delivered() (fell bool) {
	switch a.mode {
	case Once:
		a.mode = Passive
	case ActiveN:
		if a.count--; a.count == 0 {
			a.mode = Passive
			return true
		}
	}
	return false
}

func (a *active) armed() bool { return a.mode != Passive }
