package etf

// Decode reads data, which must hold one term with its version byte and
// nothing else, into the term model, see [Term]. The term keeps nothing of
// data. [Unmarshal] reads into Go values of the caller's types instead.
//
// Errors are of type [*Error] and wrap [ErrTruncated], [ErrLimit] and so on.
func Decode(data []byte) (Term, error) { return (*DecodeOptions)(nil).Decode(data) }

// DecodeFirst is [Decode] for data that may go on after the term. It returns
// what follows.
func DecodeFirst(data []byte) (t Term, rest []byte, err error) {
	return (*DecodeOptions)(nil).DecodeFirst(data)
}

// Decode is the function [Decode] with options.
func (o *DecodeOptions) Decode(data []byte) (Term, error) {
	s := o.NewScanner(data)
	s.Version()
	t := s.Term()
	if err := s.Finish(); err != nil {
		return nil, err
	}
	return t, nil
}

// DecodeFirst is the function [DecodeFirst] with options.
func (o *DecodeOptions) DecodeFirst(data []byte) (t Term, rest []byte, err error) {
	if len(data) >= 2 && Tag(data[1]) == tagCompressed && data[0] == Version {
		if err := o.check(); err != nil {
			return nil, nil, err
		}
		_, size, err := inflate(data[1:], 1, o)
		if err != nil {
			return nil, nil, err
		}
		t, err = o.Decode(data[:1+size])
		return t, data[1+size:], err
	}
	s := o.NewScanner(data)
	s.Version()
	t = s.Term()
	return t, s.Rest(), s.Err()
}

// Decode reads the term that t holds.
func (t RawTerm) Decode() (Term, error) { return (*DecodeOptions)(nil).DecodeRaw(t) }

// DecodeRaw reads the term that t holds.
func (o *DecodeOptions) DecodeRaw(t RawTerm) (Term, error) {
	s := o.NewScanner(t)
	v := s.Term()
	if err := s.Finish(); err != nil {
		return nil, err
	}
	return v, nil
}

// Term reads the next term into the term model. It is nil after a failure.
// All small parts of one term are allocated together, so that a part that is
// kept keeps them all; binaries and strings above 64 bytes stand alone.
func (s *Scanner) Term() Term {
	if s.err != nil {
		return nil
	}
	w := walker{data: s.data, opts: s.opts, left: s.left}
	next := w.terms(s.off, 1, 0)
	if next < 0 {
		s.stop(w.err)
		return nil
	}
	b := builder{s: Scanner{data: s.data, off: s.off, left: s.left, opts: s.opts}}
	b.makeRoom(&w.census)
	s.off, s.left = next, w.left
	return b.term()
}

// A builder makes the terms of a message that a walker has found sound, out of
// slices made to the walker's measure.
type builder struct {
	s        Scanner
	slots    []Term
	pairs    []Pair
	tuples   []Tuple
	lists    []List
	maps     []Map
	atoms    []Atom
	ints     []int64
	floats   []float64
	binaries [][]byte
	strings  []String
	text     []byte
	node     Atom // of the last pid, port or reference
}

// A page is room for a small message, in one allocation, and a smallPage for
// one such as {tcp, Id, Data} or an atom.
type page struct {
	slots    [8]Term
	tuples   [2]Tuple
	lists    [1]List
	atoms    [3]Atom
	ints     [3]int64
	binaries [2][]byte
	text     [48]byte
}

type smallPage struct {
	slots    [4]Term
	tuples   [1]Tuple
	atoms    [1]Atom
	binaries [1][]byte
	ints     [1]int64
	text     [24]byte
}

func (b *builder) makeRoom(c *census) {
	switch {
	case c.slots == 0 && c.atoms == 0:
	case c.slots <= 4 && c.tuples <= 1 && c.lists == 0 && c.atoms <= 1 && c.binaries <= 1 && c.ints <= 1:
		p := new(smallPage)
		b.slots, b.tuples, b.atoms = p.slots[:], p.tuples[:], p.atoms[:]
		b.ints, b.binaries, b.text = p.ints[:], p.binaries[:], p.text[:]
	default:
		p := new(page)
		b.slots, b.tuples, b.lists, b.atoms = p.slots[:], p.tuples[:], p.lists[:], p.atoms[:]
		b.ints, b.binaries, b.text = p.ints[:], p.binaries[:], p.text[:]
	}
	room(&b.slots, c.slots)
	room(&b.pairs, c.pairs)
	room(&b.tuples, c.tuples)
	room(&b.lists, c.lists)
	room(&b.maps, c.maps)
	room(&b.ints, c.ints)
	room(&b.floats, c.floats)
	room(&b.binaries, c.binaries)
	room(&b.strings, c.strings)
	room(&b.atoms, c.atoms)
	if !b.s.opts.alias() {
		room(&b.text, c.text)
	}
}

// room makes a slice that is too short long enough.
func room[T any](slab *[]T, n int) {
	if n > len(*slab) {
		*slab = make([]T, n)
	}
}

// take cuts n elements off a slice.
func take[T any](slab *[]T, n int) []T {
	if n == 0 || n > len(*slab) {
		return make([]T, n)
	}
	t := (*slab)[:n:n]
	*slab = (*slab)[n:]
	return t
}

// box returns v as an interface, with room from a slice.
func box[T any](slab *[]T, word typeWord, v T) any {
	s := *slab
	if len(s) == 0 {
		return v
	}
	s[0] = v
	*slab = s[1:]
	return boxed(word, &s[0])
}

var (
	atomWord    = typeWordOf(Atom(""))
	int64Word   = typeWordOf(int64(0))
	float64Word = typeWordOf(float64(0))
	bytesWord   = typeWordOf([]byte(nil))
	stringWord  = typeWordOf(String(""))
	tupleWord   = typeWordOf(Tuple(nil))
	listWord    = typeWordOf(List(nil))
	mapWord     = typeWordOf(Map(nil))
)

var emptyList any = List{}

func (b *builder) term() Term {
	s := &b.s
	switch s.Kind() {
	case KindAtom:
		return box(&b.atoms, atomWord, b.atom(s.Atom()))
	case KindInteger:
		return b.integer()
	case KindFloat:
		return box(&b.floats, float64Word, s.Float())
	case KindBinary:
		return box(&b.binaries, bytesWord, b.bytes(s.Binary()))
	case KindTuple:
		t := Tuple(take(&b.slots, s.TupleHeader()))
		b.fill(t)
		return box(&b.tuples, tupleWord, t)
	case KindNil:
		s.off++
		return emptyList
	case KindString:
		if d := s.String(); len(d) > 0 {
			return box(&b.strings, stringWord, String(b.string(d)))
		}
		return emptyList
	case KindList:
		return b.list()
	case KindMap:
		m := Map(take(&b.pairs, s.MapHeader()))
		for i := range m {
			m[i].Key = b.term()
			m[i].Value = b.term()
		}
		return box(&b.maps, mapWord, m)
	case KindPid, KindPort, KindRef:
		return b.identifier()
	case KindBitstring:
		d, used := s.Bitstring()
		if used == 8 || used == 0 {
			return b.bytes(d)
		}
		return Bitstring{Data: b.bytes(d), Used: used}
	case KindExport:
		s.off++
		return Export{Module: b.atom(s.Atom()), Function: b.atom(s.Atom()), Arity: uint8(s.Int())}
	case KindFun:
		return b.fun()
	case KindLocal:
		return Local(b.bytes(s.Raw()[1:]))
	}
	return nil
}

// fill reads the elements of a tuple or list. Integers, of which there may be
// many, are read on the spot, with the builder's state at hand.
func (b *builder) fill(t []Term) {
	d, off, ints := b.s.data, b.s.off, b.ints
	for i := range t {
		switch Tag(d[off]) {
		case tagSmallInteger:
			t[i] = int64(d[off+1]) // needs no room: the runtime has all bytes boxed
			off += 2
		case tagInteger:
			v := int64(int32(be32(d[off+1 : off+5])))
			off += 5
			if len(ints) == 0 {
				t[i] = v
				continue
			}
			ints[0] = v
			t[i] = boxed(int64Word, &ints[0])
			ints = ints[1:]
		default:
			b.s.off, b.ints = off, ints
			t[i] = b.term()
			off, ints = b.s.off, b.ints
		}
	}
	b.s.off, b.ints = off, ints
}

func (b *builder) integer() Term {
	at := b.s.off
	negative, v, mag := b.s.integer()
	switch {
	case mag == nil && !negative && v < 256:
		return int64(v)
	case mag == nil && !negative && v < 1<<63:
		return box(&b.ints, int64Word, int64(v))
	case mag == nil && negative && v <= 1<<63:
		return box(&b.ints, int64Word, -int64(v))
	}
	b.s.off = at
	return b.s.BigInt()
}

func (b *builder) list() Term {
	s := &b.s
	l := List(take(&b.slots, s.ListHeader()))
	b.fill(l)
	for s.Kind() == KindList { // the tail is a list as well: make them one
		n := s.ListHeader()
		for range n {
			l = append(l, b.term())
		}
	}
	switch s.Kind() {
	case KindNil:
		s.off++
		if len(l) == 0 {
			return emptyList
		}
		return box(&b.lists, listWord, l)
	case KindString:
		for _, c := range s.String() {
			l = append(l, int64(c))
		}
		return box(&b.lists, listWord, l)
	}
	tail := b.term()
	if len(l) == 0 {
		return tail
	}
	return ImproperList{Elements: l, Tail: tail}
}

func (b *builder) identifier() Term {
	tag, node, d := b.s.identifier(b.s.Kind())
	if string(b.node) != string(node) {
		b.node = b.atom(node)
	}
	switch tag.Kind() {
	case KindPid:
		return makePid(tag, b.node, d)
	case KindPort:
		return makePort(tag, b.node, d)
	}
	return makeRef(tag, b.node, d)
}

func (b *builder) fun() Term {
	s := &b.s
	f := Fun{Old: s.Tag() == tagFun}
	d := s.Rest()
	pid := func() Pid { p, _ := b.identifier().(Pid); return p }
	if f.Old {
		s.off += 5
		f.Pid, f.Module, f.OldIndex, f.OldUniq = pid(), b.atom(s.Atom()), s.Int(), s.Int()
		f.Free = take(&b.slots, int(be32(d[1:])))
	} else {
		s.off += 30
		f.Arity, f.Index = int(d[5]), be32(d[22:])
		copy(f.Uniq[:], d[6:])
		f.Module, f.OldIndex, f.OldUniq, f.Pid = b.atom(s.Atom()), s.Int(), s.Int(), pid()
		f.Free = take(&b.slots, int(be32(d[26:])))
	}
	b.fill(f.Free)
	return f
}

// atom, string and bytes return data that outlives the input, unless the
// caller wants to share it.

func (b *builder) atom(name []byte) Atom { return Atom(b.string(name)) }

func (b *builder) string(d []byte) string {
	if len(d) > smallData && !b.s.opts.alias() {
		return string(d)
	}
	return textOf(b.bytes(d))
}

func (b *builder) bytes(d []byte) []byte {
	if b.s.opts.alias() {
		return d
	}
	var c []byte
	if len(d) <= smallData {
		c = take(&b.text, len(d))
	} else {
		c = make([]byte, len(d))
	}
	copy(c, d)
	return c
}
