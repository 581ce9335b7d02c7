package etf

import (
	"bytes"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// beam is a running erl that answers by testdata/oracle.expr.
type beam struct {
	t       testing.TB
	enc     *Encoder
	dec     *Decoder
	release int
}

// startBEAM starts the erl that the environment variable ETF_ERL names, with
// arguments if need be ("chroot /srv/otp27 erl"), or else the one on the path.
func startBEAM(t testing.TB) *beam {
	command := strings.Fields(os.Getenv("ETF_ERL"))
	if len(command) == 0 {
		command = []string{"erl"}
	}
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Skipf("no oracle: %v", err)
	}
	expr, err := os.ReadFile("testdata/oracle.expr")
	require.NoError(t, err)
	code := regexp.MustCompile(`(?m)^%%.*$`).ReplaceAllString(string(expr), "")
	cmd := exec.Command(command[0], append(command[1:], "-noinput", "+Bd", "-eval", code)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		assert.NoError(t, cmd.Wait())
	})
	b := &beam{t: t, enc: NewEncoder(in, Packet4), dec: NewDecoder(out, Packet4)}
	b.ask(Tuple{Atom("release")}, &b.release)
	return b
}

func (b *beam) ask(request Term, reply any) {
	require.NoError(b.t, b.enc.Encode(request))
	require.NoError(b.t, b.dec.Decode(reply))
}

// written is a term as term_to_binary/2 wrote it.
type written struct {
	_       struct{} `etf:",tuple"`
	Options List
	Data    []byte
}

func genAtom() *rapid.Generator[Atom] {
	return rapid.Custom(func(t *rapid.T) Atom {
		return Atom(rapid.OneOf(
			rapid.SampledFrom([]string{"", "a", "ok", "true", "undefined", "end", "Foo", "a b", "é", "λ", "'", "\\", "\n", "\x00"}),
			rapid.StringN(0, 40, -1),
			rapid.StringN(200, 255, -1),
		).Draw(t, "atom"))
	})
}

func genNode() *rapid.Generator[Atom] {
	return rapid.Map(rapid.StringMatching(`[a-z]{1,8}@[a-z0-9.]{1,30}`), func(s string) Atom { return Atom(s) })
}

// genTerm makes terms of every kind that any BEAM reads, in their normal form.
func genTerm(depth int) *rapid.Generator[Term] {
	scalars := []*rapid.Generator[Term]{
		rapid.Custom(func(t *rapid.T) Term { return genAtom().Draw(t, "atom") }),
		rapid.Custom(func(t *rapid.T) Term { return rapid.Int64().Draw(t, "int") }),
		rapid.Custom(func(t *rapid.T) Term { return int64(rapid.Int16().Draw(t, "int")) }),
		rapid.Custom(func(t *rapid.T) Term {
			v := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "magnitude"))
			if rapid.Bool().Draw(t, "negative") {
				v.Neg(v)
			}
			if v.IsInt64() {
				return v.Int64()
			}
			return v
		}),
		rapid.Custom(func(t *rapid.T) Term {
			f := rapid.Float64().Draw(t, "float")
			return f + 0 // -0.0 + 0 is 0.0: the two are one term before OTP 27
		}),
		rapid.Custom(func(t *rapid.T) Term { return rapid.SliceOf(rapid.Byte()).Draw(t, "binary") }),
		rapid.Custom(func(t *rapid.T) Term { return []byte(rapid.String().Draw(t, "text")) }),
		rapid.Custom(func(t *rapid.T) Term {
			b := Bitstring{rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "bits"), rapid.IntRange(1, 7).Draw(t, "used")}
			b.Data[len(b.Data)-1] &= 0xff << (8 - b.Used)
			return b
		}),
		rapid.Custom(func(t *rapid.T) Term {
			return String(rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "string"))
		}),
		rapid.Custom(func(t *rapid.T) Term {
			return Pid{genNode().Draw(t, "node"), rapid.Uint32Max(1<<28-1).Draw(t, "id"), rapid.Uint32Max(1<<13-1).Draw(t, "serial"), rapid.Uint32Min(1).Draw(t, "creation")}
		}),
		rapid.Custom(func(t *rapid.T) Term {
			return Port{genNode().Draw(t, "node"), rapid.Uint64().Draw(t, "id"), rapid.Uint32Min(1).Draw(t, "creation")}
		}),
		rapid.Custom(func(t *rapid.T) Term {
			words := rapid.SliceOfN(rapid.Uint32(), 1, 5).Draw(t, "words")
			words[0] &= 1<<18 - 1
			return NewRef(genNode().Draw(t, "node"), rapid.Uint32Min(1).Draw(t, "creation"), words...)
		}),
		rapid.Custom(func(t *rapid.T) Term {
			return Export{genAtom().Draw(t, "module"), genAtom().Draw(t, "function"), rapid.Byte().Draw(t, "arity")}
		}),
		rapid.Just[Term](List{}),
		rapid.Just[Term](Tuple{}),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	part := rapid.Deferred(func() *rapid.Generator[Term] { return genTerm(depth - 1) })
	return rapid.OneOf(append(scalars,
		rapid.Custom(func(t *rapid.T) Term { return Tuple(rapid.SliceOfN(part, 0, 6).Draw(t, "tuple")) }),
		rapid.Custom(func(t *rapid.T) Term { return List(rapid.SliceOfN(part, 0, 6).Draw(t, "list")) }),
		rapid.Custom(func(t *rapid.T) Term {
			l := ImproperList{Elements: rapid.SliceOfN(part, 1, 4).Draw(t, "list")}
			l.Tail = rapid.OneOf(scalars[:8]...).Draw(t, "tail")
			return l
		}),
		rapid.Custom(func(t *rapid.T) Term {
			m := Map{}
			for _, p := range rapid.SliceOfN(part, 0, 12).Draw(t, "keys") {
				if _, ok := m.Get(p); !ok {
					m = append(m, Pair{p, part.Draw(t, "value")})
				}
			}
			return m
		}),
	)...)
}

// What we write is what binary_to_term reads, and the other way round, however
// term_to_binary is told to write it; and both sides print and parse the same.
func TestBEAMAgreesOnOurTerms(t *testing.T) {
	b := startBEAM(t)
	t.Logf("OTP %d", b.release)
	rapid.Check(t, func(t *rapid.T) {
		term := genTerm(3).Draw(t, "term")
		data, err := EncodeOptions{Compress: rapid.SampledFrom([]int{0, 6}).Draw(t, "compress")}.Marshal(term)
		require.NoError(t, err)
		var reply Tuple
		var refused Term
		b.ask(Tuple{Atom("read"), data}, &refused)
		require.IsType(t, reply, refused, "the BEAM refuses %s, % x", Format(term), data)
		reply = refused.(Tuple)
		plain, err := Marshal(term)
		require.NoError(t, err)
		for _, way := range reply[1].(List) {
			options, written := way.(Tuple)[0], way.(Tuple)[1].([]byte)
			back, err := Decode(written)
			require.NoError(t, err, Format(options))
			require.True(t, Equal(term, back), "%s: %s came back as %s", Format(options), Format(term), Format(back))
			s := NewScanner(written)
			s.Version()
			s.Skip()
			require.NoError(t, s.Finish())
			if Equal(options, List{Tuple{Atom("minor_version"), 2}}) && !writtenOtherwise(term, b.release) {
				require.Equal(t, written, plain, Format(term))
			}
		}
		if !printsAsErlang(term) {
			return
		}
		if !hasWideExport(term) {
			read, err := Parse(string(reply[2].([]byte)))
			require.NoError(t, err, "%s", reply[2])
			require.True(t, Equal(term, read), "%s parsed as %s", reply[2], Format(read))
		}
		text := Format(term)
		var parsed Term
		b.ask(Tuple{Atom("parse"), text}, &parsed)
		require.NotEqual(t, Atom("error"), parsed, "the BEAM cannot parse %s", text)
		read, err := Decode(parsed.(Tuple)[1].([]byte))
		require.NoError(t, err)
		require.True(t, Equal(term, read), "the BEAM parsed %s as %s", text, Format(read))
	})
}

// The BEAM's own terms, funs and its own pids among them, come back to it as
// the same terms.
func TestWeReturnTheBEAMsTerms(t *testing.T) {
	b := startBEAM(t)
	const perSeed = 20
	rapid.Check(t, func(t *rapid.T) {
		var terms [][]written
		b.ask(Tuple{Atom("random"), rapid.Int32().Draw(t, "seed"), perSeed}, &terms)
		require.Len(t, terms, perSeed)
		for _, ways := range terms {
			var first Term
			for _, w := range ways {
				term, err := Decode(w.Data)
				require.NoError(t, err, "% x", w.Data)
				if first == nil {
					first = term
				}
				require.True(t, Equal(first, term), "%s: %s is not %s", w.Options, Format(term), Format(first))
				again, err := Marshal(term)
				require.NoError(t, err)
				var same bool
				b.ask(Tuple{Atom("same"), w.Data, again}, &same)
				require.True(t, same, "%s came back as another term", Format(term))
			}
		}
	})
}

// Damaged bytes are refused by both or read by both, as the same term.
func TestBEAMAgreesOnDamagedTerms(t *testing.T) {
	b := startBEAM(t)
	seeds := readVectors(t, "testdata/golden-otp27.txt")
	rapid.Check(t, rapidTimes(20, func(t *rapid.T) {
		data := append([]byte(nil), rapid.SampledFrom(seeds).Draw(t, "vector").data...)
		if len(data) < 2 || len(data) > 500 || Tag(data[1]) == tagCompressed || Tag(data[1]) == tagLocal {
			return
		}
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(1, len(data)-1).Draw(t, "at")
			data[at] = byte(rapid.OneOf(rapid.IntRange(0, 255), rapid.IntRange(70, 121)).Draw(t, "byte"))
		}
		term, rest, err := DecodeFirst(data)
		// Bytes 73 and 75 may be tags that stand for a BEAM's own atoms.
		if special(term, err) || bytes.ContainsAny(data, "\x49\x4b") {
			return
		}
		var reply Term
		b.ask(Tuple{Atom("read"), data}, &reply)
		_, reads := reply.(Tuple)
		require.Equal(t, reads, err == nil, "the BEAM reads: %v; we: %s, %v; rest % x; % x", reads, Format(term), err, rest, data)
		if err == nil {
			back, err := Decode(reply.(Tuple)[1].(List)[0].(Tuple)[1].([]byte))
			require.NoError(t, err)
			require.True(t, Equal(term, back), "%s is %s in the BEAM; % x", Format(term), Format(back), data)
		}
	}))
}

// rapidTimes makes a property of n draws, for one that is cheap to check.
func rapidTimes(n int, property func(*rapid.T)) func(*rapid.T) {
	return func(t *rapid.T) {
		for range n {
			property(t)
		}
	}
}

// What the text of a BEAM's and ours do not share.
func printsAsErlang(t Term) bool {
	return !anyTerm(t, func(t Term) bool {
		switch t.(type) {
		case Pid, Port, Ref, Fun, Local:
			return true
		}
		return false
	})
}

// The BEAM prints the UTF-8 bytes of such names as if they were Latin-1.
func hasWideExport(t Term) bool {
	return anyTerm(t, func(t Term) bool {
		e, ok := t.(Export)
		return ok && !ascii([]byte(e.Module+e.Function))
	})
}

// The BEAM has an order of its own for the pairs of maps, and wrote small port
// numbers as NEW_PORT_EXT before OTP 26.
func writtenOtherwise(t Term, release int) bool {
	return anyTerm(t, func(t Term) bool {
		switch t.(type) {
		case Map:
			return true
		case Port:
			return release < 26
		}
		return false
	})
}

// anyTerm reports whether f is true of a term or of a part of it.
func anyTerm(t Term, f func(Term) bool) bool {
	if f(t) {
		return true
	}
	var parts []Term
	switch t := t.(type) {
	case Tuple:
		parts = t
	case List:
		parts = t
	case ImproperList:
		parts = append(append(parts, t.Elements...), t.Tail)
	case Map:
		for _, p := range t {
			parts = append(parts, p.Key, p.Value)
		}
	case Fun:
		parts = t.Free
	}
	for _, p := range parts {
		if anyTerm(p, f) {
			return true
		}
	}
	return false
}

// special is true of terms, and of failures within terms, that a BEAM reads by
// rules of its own: identifiers, whose numbers must be ones that it could have
// made, funs and exports, of which it checks less, LOCAL_EXT, and, from release
// to release, BIT_BINARY_EXT without a byte.
func special(t Term, err error) bool {
	var e *Error
	if errors.As(err, &e) {
		switch e.Tag.Kind() {
		case KindPid, KindPort, KindRef, KindFun, KindExport, KindLocal:
			return true
		}
		if e.Tag == tagBitBinary || strings.Contains(e.Detail, " is in ") { // a part of one of these
			return true
		}
	}
	return anyTerm(t, func(t Term) bool {
		switch t := t.(type) {
		case Pid, Port, Ref, Fun, Export, Local:
			return true
		case []byte:
			return len(t) == 0
		}
		return false
	})
}

// erl_scan and erl_parse read the texts of syntax_test.go as the same terms.
func TestBEAMParsesTheSameTexts(t *testing.T) {
	b := startBEAM(t)
	for _, c := range parsed {
		text := strings.TrimSuffix(strings.TrimSpace(c.text), ".")
		switch {
		case strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "#{"): // of our own
			continue
		case (strings.HasPrefix(text, "~") || text == "maybe") && (b.release < 27) == (text[0] == '~'): // since and until OTP 27
			continue
		case strings.Contains(text, "%"): // the oracle adds the dot on the same line
			continue
		}
		var reply Term
		b.ask(Tuple{Atom("parse"), text}, &reply)
		if !assert.IsType(t, Tuple{}, reply, "%s: the BEAM cannot parse it", text) {
			continue
		}
		term, err := Decode(reply.(Tuple)[1].([]byte))
		require.NoError(t, err)
		assert.True(t, Equal(c.term, term), "%s is %s in the BEAM", text, Format(term))
	}
	for _, text := range []string{
		"", "{a", "[a|b,c]", "[1,]", "a b", "end", "37#1", "2#3", "1.0e999", "-a", "#{a := 1}", "#{a}", "X", "_", "f()", "<<X>>", "<<1/unit:8>>",
		"<<1.5:17/float>>", "fun m:f", "a.b", "1__0", "1_", "\"\\x{110000}\"", "'abc", "<<1.5>>", "<<a>>", "{}}", "[,]", "<<-1/utf8>>", "<<1:8/utf8>>",
	} {
		_, err := Parse(text)
		assert.Error(t, err, text)
		var reply Term
		b.ask(Tuple{Atom("parse"), text}, &reply)
		assert.Equal(t, Atom("error"), reply, "%q", text)
	}
}
