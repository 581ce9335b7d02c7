package etf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func be(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func zipped(claim uint32, plain []byte) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(plain)
	_ = z.Close()
	return "\x83\x50" + be(claim) + b.String()
}

// Bytes that must be refused, how, and in which words.
var refused = []struct {
	name string
	data string
	kind error
	text string
}{
	{"nothing", "", ErrTruncated, "at offset 0: a term is missing"},
	{"no version", "a\x01", ErrVersion, "at offset 0: the version is 97, not 131"},
	{"version alone", "\x83", ErrTruncated, "at offset 1: a term is missing"},
	{"unknown tag", "\x83\x07", ErrTag, "at offset 1: tag 7 starts no term"},
	{"compressed inside", "\x83h\x01P", ErrTag, "at offset 3: COMPRESSED starts no term"},
	{"trailing bytes", "\x83a\x01zz", ErrTrailing, "at offset 3: 2 bytes follow the term"},
	{"list that claims 2^32-1", "\x83l\xff\xff\xff\xff\x01\x02\x03", ErrTruncated, "at offset 1: LIST_EXT claims 4294967295 elements, 3 bytes are left"},
	{"list that claims 2^32-2", "\x83l\xff\xff\xff\xfe", ErrTruncated, "at offset 1: LIST_EXT claims 4294967294 elements, 0 bytes are left"},
	{"list without room for a tail", "\x83l\x00\x00\x00\x02jj", ErrTruncated, "at offset 1: LIST_EXT claims 2 elements and a tail, 2 bytes are left"},
	{"tuple that claims 2^32-1", "\x83i\xff\xff\xff\xff", ErrTruncated, "at offset 1: LARGE_TUPLE_EXT claims 4294967295 elements, 0 bytes are left"},
	{"map that claims 2^31", "\x83t\x80\x00\x00\x00jj", ErrTruncated, "at offset 1: MAP_EXT claims 2147483648 pairs, 2 bytes are left"},
	{"binary of 4 GB", "\x83m\xff\xff\xff\xff", ErrTruncated, "at offset 1: BINARY_EXT claims 4294967295 bytes, 0 bytes are left"},
	{"bitstring of 4 GB", "\x83M\xff\xff\xff\xff\x01", ErrTruncated, "at offset 1: BIT_BINARY_EXT claims 4294967295 bytes, 0 bytes are left"},
	{"integer of 4 GB", "\x83o\xff\xff\xff\xff\x00\x01", ErrTruncated, "at offset 1: LARGE_BIG_EXT claims 4294967295 bytes, 1 bytes are left"},
	{"fun of 4 GB", "\x83p\xff\xff\xff\xff" + strings.Repeat("\x00", 40), ErrTruncated, "at offset 1: NEW_FUN_EXT claims 4294967295 bytes, 44 bytes are left"},
	{"fun with 2^32-1 variables", "\x83p\x00\x00\x00\x2f\x01" + strings.Repeat("u", 16) + be(0) + "\xff\xff\xff\xff" + "w\x01ma\x00a\x00" + "Xw\x01n" + be(1) + be(1) + be(1), ErrTruncated,
		"at offset 1: NEW_FUN_EXT claims 4294967295 free variables, 0 bytes are left"},
	{"atom that is no UTF-8", "\x83w\x01\xff", ErrValue, "at offset 1: SMALL_ATOM_UTF8_EXT is not UTF-8"},
	{"atom of 256 characters", "\x83v\x01\x00" + strings.Repeat("a", 256), ErrLimit, "at offset 1: ATOM_UTF8_EXT has 256 characters, the limit is 255"},
	{"cached atom", "\x83\x52\x00", ErrTag, "at offset 1: ATOM_CACHE_REF 0 is not in the cache"},
	{"pid without a node", "\x83X" + strings.Repeat("j", 14), ErrTag, "at offset 2: NIL_EXT is in NEW_PID_EXT where the node belongs"},
	{"reference of no words", "\x83Z\x00\x00w\x01a" + be(1), ErrValue, "at offset 1: NEWER_REFERENCE_EXT has 0 words, 1 to 5 are known"},
	{"reference of 65535 words", "\x83Z\xff\xffw\x01a" + be(1), ErrValue, "at offset 1: NEWER_REFERENCE_EXT has 65535 words, 1 to 5 are known"},
	{"float that is NaN", "\x83F\x7f\xf8\x00\x00\x00\x00\x00\x00", ErrValue, "at offset 1: NEW_FLOAT_EXT is not finite"},
	{"key twice", "\x83t\x00\x00\x00\x02w\x01aa\x01d\x00\x01aa\x02", ErrDuplicate, "at offset 11: the key a comes twice in a map"},
	{"integer key twice", "\x83t\x00\x00\x00\x02a\x05jn\x02\x00\x05\x00j", ErrDuplicate, "at offset 9: the key 5 comes twice in a map"},
	{"local term inside", "\x83h\x01y\x01", ErrTag, "at offset 3: LOCAL_EXT may only follow the version byte"},
	{"nesting of 300,000 levels", "\x83" + strings.Repeat("h\x01", 300_000) + "j", ErrLimit, "at offset 2003: terms are nested deeper than 1000 levels"},
	{"lists of 300,000 levels", "\x83" + strings.Repeat("l\x00\x00\x00\x01", 300_000), ErrLimit, "at offset 5006: terms are nested deeper than 1000 levels"},
	{"elements without end", "\x83l" + be(1<<20+1) + strings.Repeat("j", 1<<20+2), ErrLimit, "at offset 1: LIST_EXT brings the elements above the limit of 1048576"},
	{"integer of 600 kB", "\x83o" + be(600_000) + "\x00" + strings.Repeat("\x01", 600_000), ErrLimit, "at offset 1: LARGE_BIG_EXT has 600000 bytes, the limit is 524288"},
	{"inflates to 2 GB", "\x83\x50\x80\x00\x00\x00\x78\x9c", ErrLimit, "at offset 1: COMPRESSED claims 2147483648 bytes, the limit is 16777216"},
	{"inflates to more than it claims", zipped(100, append([]byte("m\x01\x00\x00\x00"), make([]byte, 1<<24)...)), ErrValue, "at offset 1: COMPRESSED claims 100 bytes and holds another number"},
	{"inflates to less than it claims", zipped(100, []byte("j")), ErrValue, "at offset 1: COMPRESSED claims 100 bytes and holds another number"},
	{"compressed twice", zipped(7, []byte(zipped(1, []byte("j"))[1:8])), ErrTag, "at offset 0: COMPRESSED starts no term"},
	{"compressed and cut", zipped(1, []byte("j"))[:9], ErrTruncated, "at offset 1: COMPRESSED ends before its data does"},
	{"compressed and more", zipped(1, []byte("j")) + "x", ErrTrailing, "at offset 19: 1 bytes follow the compressed term"},
}

func TestBadInputIsRefusedWithOffsetAndTag(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			data := []byte(c.data)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decode(data)
			runtime.ReadMemStats(&after)
			require.EqualError(t, err, "etf: "+c.text)
			assert.ErrorIs(t, err, c.kind)
			assert.Equal(t, c.kind == ErrTruncated, errors.Is(err, io.ErrUnexpectedEOF))
			var e *Error
			assert.ErrorAs(t, err, &e)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(data)))

			s := NewScanner(data)
			s.Version()
			s.Skip()
			assert.EqualError(t, s.Finish(), "etf: "+c.text)
			var v any
			assert.EqualError(t, Unmarshal(data, &v), "etf: "+c.text)
		})
	}
}

// What a term takes in memory is bounded by its bytes: 64 times them is the
// worst case, a tuple of empty tuples.
func TestMemoryIsASmallMultipleOfTheInput(t *testing.T) {
	for name, unit := range map[string]string{
		"nil": "j", "integers": "b\x00\x00\x01\x00", "empty tuples": "h\x00", "empty atoms": "w\x00", "empty binaries": "m\x00\x00\x00\x00",
		"strings": "k\x00\x01a", "empty maps": "t\x00\x00\x00\x00", "small": "a\x01", "lists": "l\x00\x00\x00\x01jj", "exports": "qw\x00w\x00a\x00",
		"pids": "Xw\x00" + be(0) + be(0) + be(0), "references": "rw\x00"[:1] + "\x00\x01w\x00\x00" + be(1), "bitstrings": "M\x00\x00\x00\x01\x01\x80",
		"bigs": "n\x09\x00123456789", "continued list": "l\x00\x00\x00\x01jl\x00\x00\x00\x01jj",
	} {
		const n = 100_000
		data := []byte("\x83l" + be(n) + strings.Repeat(unit, n) + "j")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := (&DecodeOptions{Limits: Limits{MaxElements: 1 << 30}}).Decode(data)
		runtime.ReadMemStats(&after)
		require.NoError(t, err, name)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64*len(data)), name)
	}
}

func TestListsInTailsAreOneList(t *testing.T) {
	const n = 100_000 // levels, as no BEAM writes them, and no stack is needed
	data := []byte("\x83" + strings.Repeat("l\x00\x00\x00\x01a\x07", n) + "j")
	term, err := Decode(data)
	require.NoError(t, err)
	assert.Len(t, term, n)
	s := NewScanner(data)
	s.Version()
	assert.Len(t, s.Raw(), len(data)-1)
}

func TestBigIntegersPrintInNoTime(t *testing.T) {
	for _, bits := range []uint{547 * 8, 1 << 16, 1 << 22} {
		v := new(big.Int).Lsh(big.NewInt(1), bits-1)
		v.Neg(v.Add(v, big.NewInt(12345)))
		done := make(chan string, 1)
		go func() { done <- Format(v) }()
		select {
		case text := <-done:
			back, err := Parse(text)
			require.NoError(t, err)
			assert.Zero(t, back.(*big.Int).Cmp(v))
		case <-time.After(20 * time.Second): // it takes milliseconds; a quadratic one takes hours
			t.Fatal("a big integer does not print")
		}
	}
}

func TestDecodingLeavesTheInputAlone(t *testing.T) {
	for _, v := range readVectors(t, goldenFiles[1]) {
		kept := bytes.Clone(v.data)
		term, err := Decode(v.data)
		require.Equal(t, kept, v.data, v.name)
		if err != nil {
			continue
		}
		text := Format(term)
		clear(v.data)
		require.Equal(t, text, Format(term), "%s: the term shares bytes with the input", v.name)
	}
}

func TestAliasSharesTheInput(t *testing.T) {
	data, err := Marshal(Tuple{Atom("name"), []byte("payload")})
	require.NoError(t, err)
	term, err := (&DecodeOptions{Alias: true}).Decode(data)
	require.NoError(t, err)
	payload := term.(Tuple)[1].([]byte)
	data[len(data)-1] = 'D'
	assert.Equal(t, "payloaD", string(payload))
	assert.Equal(t, len(payload), cap(payload), "an append to a part must not reach the rest")
}

func TestLimitsAreChecked(t *testing.T) {
	_, err := (&DecodeOptions{Limits: Limits{MaxDepth: -1}}).Decode([]byte("\x83j"))
	assert.EqualError(t, err, "etf: MaxDepth is -1, allowed are 1 to 100000, and 0 for the default")
	deep := []byte("\x83" + strings.Repeat("h\x01", 5) + "j")
	_, err = (&DecodeOptions{Limits: Limits{MaxDepth: 5}}).Decode(deep)
	assert.NoError(t, err)
	_, err = (&DecodeOptions{Limits: Limits{MaxDepth: 4}}).Decode(deep)
	assert.ErrorIs(t, err, ErrLimit)
	_, err = (&DecodeOptions{Limits: Limits{MaxAtom: 2}}).Decode([]byte("\x83w\x03abc"))
	assert.ErrorIs(t, err, ErrLimit)
	_, err = (&DecodeOptions{Limits: Limits{MaxInflated: 10}}).Decode([]byte(zipped(11, []byte("m\x00\x00\x00\x06abcdef"))))
	assert.ErrorIs(t, err, ErrLimit)
	_, err = (&DecodeOptions{Limits: Limits{MaxBig: 8}}).Decode([]byte("\x83n\x09\x00123456789"))
	assert.ErrorIs(t, err, ErrLimit)
}

func TestAtomCache(t *testing.T) {
	o := &DecodeOptions{AtomCache: []Atom{"zero", "a@b"}}
	data := []byte("\x83h\x03\x52\x00X\x52\x01" + be(1) + be(2) + be(3) + "t\x00\x00\x00\x01\x52\x00a\x01")
	want := Tuple{Atom("zero"), Pid{Node: "a@b", ID: 1, Serial: 2, Creation: 3}, Map{{Atom("zero"), 1}}}
	term, err := o.Decode(data)
	require.NoError(t, err)
	assert.True(t, Equal(want, term), Format(term))
	_, err = o.Decode([]byte("\x83\x52\x02"))
	assert.EqualError(t, err, "etf: at offset 1: ATOM_CACHE_REF 2 is not in the cache")
}

func TestDecodeFirstReturnsTheRest(t *testing.T) {
	for _, data := range []string{"\x83a\x07", zipped(2, []byte("a\x07"))} {
		term, rest, err := DecodeFirst([]byte(data + "rest"))
		require.NoError(t, err)
		assert.Equal(t, int64(7), term)
		assert.Equal(t, "rest", string(rest))
	}
}

func TestEncoderRefusesWhatNoTermIs(t *testing.T) {
	circle := Tuple{nil}
	circle[0] = circle
	type node struct{ Next *node }
	ring := &node{}
	ring.Next = ring
	inf := 1.0
	for range 2000 {
		inf *= 10
	}
	for name, c := range map[string]struct {
		v    any
		kind error
	}{
		"infinite":                {inf, ErrUnsupported},
		"channel":                 {make(chan int), ErrUnsupported},
		"channel in a struct":     {struct{ C chan int }{}, ErrUnsupported},
		"atom too long":           {Atom(strings.Repeat("é", 256)), ErrLimit},
		"atom that is no UTF-8":   {Atom("\xff"), ErrValue},
		"reference without words": {Ref{}, ErrValue},
		"reference of 6 words":    {NewRef("a", 1, 1, 2, 3, 4, 5, 6), ErrValue},
		"empty improper list":     {ImproperList{Tail: 1}, ErrValue},
		"bits without a byte":     {Bitstring{Used: 3}, ErrValue},
		"raw junk":                {RawTerm("?"), ErrTag},
		"raw nothing":             {RawTerm{}, ErrTruncated},
		"local inside":            {Tuple{Local("x")}, ErrValue},
		"key twice":               {Map{{1, 2}, {uint8(1), 3}}, ErrDuplicate},
		"Go keys that are one":    {map[any]int{1: 1, uint8(1): 2}, ErrDuplicate},
		"circle":                  {circle, ErrLimit},
		"ring of pointers":        {ring, ErrLimit},
		"fun with a big arity":    {Fun{Arity: 256}, ErrValue},
	} {
		dst, err := Append([]byte("kept"), c.v)
		assert.ErrorIs(t, err, c.kind, name)
		assert.Equal(t, "kept", string(dst), name)
	}
}

func TestAnImproperListWithAListForATailIsProper(t *testing.T) {
	for _, tail := range []Term{List{2, 3}, String("\x02\x03")} {
		assert.True(t, Equal(List{1, 2, 3}, ImproperList{List{1}, tail}))
	}
	assert.True(t, Equal(ImproperList{List{1, 2}, 3}, ImproperList{List{1}, ImproperList{List{2}, 3}}))
}
