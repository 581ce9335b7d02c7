package etf

// Term is any Erlang term. What [Decode] returns is one of
//
//	Atom            every atom, true, false, nil and undefined too
//	int64           an integer that fits, else *big.Int
//	*big.Int
//	float64
//	[]byte          a binary
//	Bitstring       a bitstring whose bits are not a multiple of 8
//	Tuple
//	List            a proper list, the empty list too
//	String          a list of bytes that came as STRING_EXT
//	ImproperList    such as [a|b]
//	Map
//	Pid, Port, Ref
//	Fun, Export
//	Local           LOCAL_EXT, opaque
//
// [Append] takes these and every other Go value that [Marshal] takes.
type Term = any

// Atom is an atom's name, UTF-8 of at most 255 characters.
type Atom string

// Tuple is a tuple.
type Tuple []Term

// List is a proper list. Its zero value is the empty list.
type List []Term

// ImproperList is a list whose tail is no list: [a,b|c]. It has at least one
// element.
type ImproperList struct {
	Elements []Term
	Tail     Term
}

// String is a list of bytes, in Erlang the same term as the List of them.
// That is what "text" in Erlang source is, unless it has characters above 255.
type String string

// Bitstring is bits, of which the last byte holds Used (1 to 7), from the
// highest on.
type Bitstring struct {
	Data []byte
	Used int
}

// Map is a map with its pairs in the order they came in. A Go map cannot hold
// every Erlang key: lists, maps and binaries are no Go keys. See [Map.Get],
// [Map.Go] and [ToGoMap].
type Map []Pair

// Pair is one key of a map and its value.
type Pair struct{ Key, Value Term }

// Pid identifies a process. Pids can be compared with ==, as can Port and Ref.
type Pid struct {
	Node     Atom
	ID       uint32
	Serial   uint32
	Creation uint32
}

// Port identifies a port.
type Port struct {
	Node     Atom
	ID       uint64
	Creation uint32
}

// Ref is a reference of Len words, 1 to 5. The rest of Words is 0.
type Ref struct {
	Node     Atom
	Creation uint32
	Len      int
	Words    [maxRefWords]uint32
}

const maxRefWords = 5

// NewRef returns a reference made of words, at most 5.
func NewRef(node Atom, creation uint32, words ...uint32) Ref {
	r := Ref{Node: node, Creation: creation, Len: len(words)}
	copy(r.Words[:], words)
	return r
}

// Fun is a fun made by fun(...) -> ... end, with what it closes over. It runs
// only on a node that has the same module.
type Fun struct {
	Module   Atom
	Arity    int
	Uniq     [16]byte // the MD5 of the module's code
	Index    uint32
	OldIndex int64
	OldUniq  int64
	Pid      Pid // that made the fun
	Free     []Term

	// Old is set if the fun came as FUN_EXT, which has no Arity, Uniq and
	// Index, and which the BEAM itself reads no longer.
	Old bool
}

// Export is fun Module:Function/Arity.
type Export struct {
	Module   Atom
	Function Atom
	Arity    uint8
}

// Local is a LOCAL_EXT term: bytes that only the node that wrote them
// understands.
type Local []byte
