package fault

import "slices"

// Set is the rules for all sockets, and what they have in common. It is made for one goroutine.
type Set struct {
	Log   Log
	seed  uint64
	added uint64 // rules since the seed was set
	base  int64  // sockets count from here, see Reseed
	rules []*origin
}

// Rule says which faults the sockets that Selector selects meet.
type Rule struct {
	// ID is above 0. Rules are in force in the order of their IDs.
	ID       int64
	Selector Selector
	Faults   []Fault
	// Term is the rule as its user wrote it.
	Term any
}

// origin is where faults come from: a rule, or an option of a socket.
type origin struct {
	rule     int64
	number   uint64 // how many rules there were since the seed was set, for generators
	selector Selector
	faults   []Fault
	tallies  [][]tally // of each fault's conditions
	since    Instant
	term     any
}

func newOrigin(faults []Fault, now Instant) *origin {
	o := &origin{faults: faults, tallies: make([][]tally, len(faults)), since: now}
	for i, f := range faults {
		o.tallies[i] = make([]tally, len(f.When))
	}
	return o
}

// NewSet makes a Set without rules.
func NewSet(seed uint64) *Set { return &Set{seed: seed} }

// Seed is where every random choice comes from.
func (s *Set) Seed() uint64 { return s.seed }

// Reseed sets the seed for faults that sockets meet from now on. latest is the number of the latest
// socket: those after it, under rules that are added after it, make the same choices each time.
func (s *Set) Reseed(seed uint64, latest int64) { s.seed, s.base, s.added = seed, latest, 0 }

// Add adds a rule, or replaces the one with its ID. Who adds, removes or clears lets each Line meet the
// facts again.
func (s *Set) Add(now Instant, r Rule) {
	o := newOrigin(r.Faults, now)
	s.added++
	o.rule, o.number, o.selector, o.term = r.ID, s.added, r.Selector, r.Term
	i, found := s.find(r.ID)
	if found {
		s.rules[i] = o
		return
	}
	s.rules = slices.Insert(s.rules, i, o)
}

// Remove removes the rule with an ID, and reports whether there was one.
func (s *Set) Remove(id int64) bool {
	i, found := s.find(id)
	if found {
		s.rules = slices.Delete(s.rules, i, i+1)
	}
	return found
}

// Clear removes all rules.
func (s *Set) Clear() { s.rules = nil }

// Empty reports whether there is no rule.
func (s *Set) Empty() bool { return len(s.rules) == 0 }

// Rules are the rules in the order of their IDs.
func (s *Set) Rules() []Rule {
	rules := make([]Rule, len(s.rules))
	for i, o := range s.rules {
		rules[i] = Rule{ID: o.rule, Selector: o.selector, Faults: o.faults, Term: o.term}
	}
	return rules
}

func (s *Set) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(s.rules, id, func(o *origin, id int64) int {
		switch {
		case o.rule < id:
			return -1
		case o.rule > id:
			return 1
		}
		return 0
	})
}

// Own is the faults that a socket has been given as an option. A nil one has none.
type Own struct{ origin *origin }

// NewOwn makes the faults of a socket.
func NewOwn(now Instant, faults []Fault, term any) *Own {
	if len(faults) == 0 {
		return nil
	}
	o := newOrigin(faults, now)
	o.term = term
	return &Own{o}
}

// Term is the faults as their user wrote them.
func (o *Own) Term() any {
	if o == nil {
		return nil
	}
	return o.origin.term
}

// Inherit is the same faults for a connection that a listener has accepted. Those on the stream count the
// connections of the listener, those on calls count anew.
func (o *Own) Inherit(now Instant) *Own {
	if o == nil {
		return nil
	}
	from := o.origin
	to := newOrigin(from.faults, now)
	to.term = from.term
	for i, f := range from.faults {
		if !f.OnCall() {
			to.tallies[i] = from.tallies[i]
		}
	}
	return &Own{to}
}
