package etf

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func bigOf(text string) *big.Int {
	v, _ := new(big.Int).SetString(text, 10)
	return v
}

// Texts, the terms that they are, and how those print.
var parsed = []struct {
	text    string
	term    Term
	printed string // "" if as text
}{
	{"ok", Atom("ok"), ""},
	{" ok . ", Atom("ok"), "ok"},
	{"'hello world'", Atom("hello world"), ""},
	{"'end'", Atom("end"), ""},
	{"''", Atom(""), ""},
	{"maybe", Atom("maybe"), "'maybe'"},
	{`'a\'b\\c\n'`, Atom("a'b\\c\n"), ""},
	{"größe@x_1", Atom("größe@x_1"), ""},
	{"'λ'", Atom("λ"), ""},
	{"0", int64(0), ""},
	{"-17", int64(-17), ""},
	{"+ 17", int64(17), "17"},
	{"1_000_000", int64(1000000), "1000000"},
	{"16#FF", int64(255), "255"},
	{"-2#1010", int64(-10), "-10"},
	{"36#zZ", int64(1295), "1295"},
	{"$a", int64(97), "97"},
	{`$\n`, int64(10), "10"},
	{"$λ", int64(955), "955"},
	{"9223372036854775808", bigOf("9223372036854775808"), ""},
	{"-9223372036854775808", int64(math.MinInt64), ""},
	{"1.5", 1.5, ""},
	{"-1.0e-3", -0.001, "-0.001"},
	{"1.0E22", 1e22, "1.0e22"},
	{"1.0e1", 10.0, "10.0"},
	{`"hello"`, String("hello"), ""},
	{`"a" "b"` + "\n\t" + `"c"`, String("abc"), `"abc"`},
	{`"\x41\x{42}\103\d\s\^A"`, String("ABC\x7f \x01"), `[65,66,67,127,32,1]`},
	{`"é\n"`, String("\xe9\n"), ""},
	{`"λ"`, List{955}, "[955]"},
	{`""`, List{}, "[]"},
	{`~"bin"`, []byte("bin"), `<<"bin">>`},
	{`~s"str"`, String("str"), `"str"`},
	{"[]", List{}, ""},
	{"[1,[2],{}]", List{1, List{2}, Tuple{}}, ""},
	{"[97,98]", String("ab"), `"ab"`},
	{"[a|b]", ImproperList{List{Atom("a")}, Atom("b")}, ""},
	{"[a,b|[c,d]]", List{Atom("a"), Atom("b"), Atom("c"), Atom("d")}, "[a,b,c,d]"},
	{`[1|"ab"]`, List{1, 97, 98}, "[1,97,98]"},
	{"{tcp,17,<<1,2>>} % comment", Tuple{Atom("tcp"), 17, []byte{1, 2}}, "{tcp,17,<<1,2>>}"},
	{"#{}", Map{}, ""},
	{"#{a => 1,<<\"b\">> => [c],1.0 => #{}}", Map{{Atom("a"), 1}, {[]byte("b"), List{Atom("c")}}, {1.0, Map{}}}, ""},
	{"#{a => 1,a => 2}", Map{{Atom("a"), 2}}, "#{a => 2}"},
	{"<<>>", []byte{}, ""},
	{`<<"text",0>>`, []byte("text\x00"), "<<116,101,120,116,0>>"},
	{`<<"é"/utf8>>`, []byte("é"), ""},
	{`<<"é">>`, []byte{0xe9}, "<<233>>"},
	{"<<1:1,0:3,5:4>>", []byte{0x85}, "<<133>>"},
	{"<<5:3>>", Bitstring{[]byte{0xa0}, 3}, ""},
	{"<<16#abc:12>>", Bitstring{[]byte{0xab, 0xc0}, 4}, "<<171,12:4>>"},
	{"<<258:16/little,1:32>>", []byte{2, 1, 0, 0, 0, 1}, "<<2,1,0,0,0,1>>"},
	{"<<-1:16,257>>", []byte{255, 255, 1}, "<<255,255,1>>"},
	{"<<1.5/float,1:32/float>>", []byte{0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x3f, 0x80, 0, 0}, "<<63,248,0,0,0,0,0,0,63,128,0,0>>"},
	{"<<16#fff:12/little>>", Bitstring{[]byte{255, 0xf0}, 4}, "<<255,15:4>>"},
	{"<<2:1/unit:8-integer>>", []byte{2}, "<<2>>"},
	{"<<955/utf16,955/utf16-little,955/utf32>>", []byte{3, 0xbb, 0xbb, 3, 0, 0, 3, 0xbb}, "<<3,187,187,3,0,0,3,187>>"},
	{"fun lists:map/2", Export{"lists", "map", 2}, ""},
	{"fun 'A b':'end'/255", Export{"A b", "end", 255}, ""},
	{"#Pid<'a@127.0.0.1'.84.0.7>", Pid{"a@127.0.0.1", 84, 0, 7}, ""},
	{"#Port<nonode@nohost.18446744073709551615.7>", Port{"nonode@nohost", math.MaxUint64, 7}, ""},
	{"#Ref<a@b.7.1.2.3.4.5>", NewRef("a@b", 7, 1, 2, 3, 4, 5), ""},
	{"#Local<00ff>", Local{0, 255}, ""},
}

func TestParseAndFormat(t *testing.T) {
	for _, c := range parsed {
		term, err := Parse(c.text)
		if !assert.NoError(t, err, c.text) {
			continue
		}
		assert.True(t, Equal(c.term, term), "%s parsed as %#v", c.text, term)
		if c.printed == "" {
			c.printed = c.text
		}
		assert.Equal(t, c.printed, Format(c.term))
		assert.Equal(t, c.printed, Format(term))
	}
}

var unparsed = []struct{ text, err string }{
	{"", "line 1, column 1: the end where a term belongs"},
	{"{a,\n  X}", "line 2, column 3: the variable X is no term"},
	{"{a", `line 1, column 3: the end where "}" belongs`},
	{"[a|b,c]", `line 1, column 5: ',' where "]" belongs`},
	{"[1,]", "line 1, column 4: ']' starts no term"},
	{"a b", "line 1, column 3: 'b' follows the term"},
	{"a. b.", "line 1, column 4: 'b' follows the term"},
	{"end", "line 1, column 1: end is a reserved word; the atom is 'end'"},
	{"'abc", "line 1, column 1: the quote is not closed"},
	{`"ab\x{110000}"`, "line 1, column 4: the escape sequence is no character"},
	{`"ab\`, "line 1, column 4: the escape sequence is not complete"},
	{"\"\xff\"", "line 1, column 2: the byte 255, which is not UTF-8, starts no character"},
	{`"""text"""`, "line 1, column 1: strings in triple quotes are not read"},
	{"37#1", "line 1, column 1: the base of a number is 2 to 36, not 37"},
	{"2#3", "line 1, column 3: '3' is no digit in base 2"},
	{"1.0e999", "line 1, column 1: the float is out of range"},
	{"-a", "line 1, column 1: the sign is not followed by a number"},
	{"#rec{a=1}", "line 1, column 1: only maps, #Pid<>, #Port<>, #Ref<> and #Local<> begin with #"},
	{"#{a := 1}", `line 1, column 5: ':' where "=>" belongs`},
	{"#Fun<m.1.2>", "line 1, column 1: a fun cannot be read back: its text lacks what it closes over"},
	{"#Pid<a.1.2>", "line 1, column 11: 2 numbers where 3 to 3 belong"},
	{"#Pid<a.1.2.4294967296>", "line 1, column 12: 4294967296 is too large for a number"},
	{"{#Local<00>}", "line 1, column 2: a local term inside another"},
	{"fun m:f/256", "line 1, column 9: 256 is too large for an arity"},
	{"fun(X) -> X end", "line 1, column 4: '(' where an atom belongs"},
	{"<<X>>", "line 1, column 3: 'X' where a number or a string belongs"},
	{"<<1/binary>>", "line 1, column 5: the type binary is not read"},
	{"<<1:4294967296>>", "line 1, column 5: 4294967296 is too large for a size"},
	{"<<0:2000000000>>", "line 1, column 3: sizes that ask for more than 1048576 bytes"},
	{"<<1.5:17/float>>", "line 1, column 3: a float segment of 17 bits"},
	{"<<1/unit:8>>", "line 1, column 11: a unit needs a size"},
	{"'" + strings.Repeat("a", 256) + "'", "line 1, column 1: an atom of 256 characters: over the limit"},
	{strings.Repeat("[", 2000), "line 1, column 1001: terms are nested deeper than 1000 levels"},
	{strings.Repeat("7", 100_001), "line 1, column 1: an integer of 100001 digits, at most 100000 are read, and more in base 16"},
}

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range unparsed {
		term, err := Parse(c.text)
		assert.Nil(t, term, c.text)
		assert.EqualError(t, err, "etf: "+c.err)
		var e *SyntaxError
		assert.ErrorAs(t, err, &e)
	}
}

func TestParseAllReadsTermsThatEndWithDots(t *testing.T) {
	terms, err := ParseAll("% config\n{a, 1.5}.\n[b].%c\nlast")
	require.NoError(t, err)
	assert.Equal(t, "[{a,1.5},[b],last]", Format(List(terms)))
	_, err = ParseAll("a. b c.")
	assert.EqualError(t, err, "etf: line 1, column 6: 'c' where the dot after a term belongs")
	terms, err = ParseAll(" % nothing\n")
	require.NoError(t, err)
	assert.Empty(t, terms)
}

func TestEveryTermPrintsAndParsesToItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		term := genTerm(4).Draw(t, "term")
		back, err := Parse(Format(term))
		require.NoError(t, err, Format(term))
		require.True(t, Equal(term, back), "%s came back as %s", Format(term), Format(back))
	})
}

func TestFormatOfWhatHasNoSyntax(t *testing.T) {
	assert.Equal(t, "#Fun<m.1.2>", Fun{Module: "m", OldIndex: 1, OldUniq: 2}.String())
	assert.Equal(t, "#Raw<ff>", RawTerm{255}.String())
	assert.Equal(t, "{a,1}", RawTerm("h\x02w\x01aa\x01").String())
	assert.Equal(t, "#Go<chan int>", Format(make(chan int)))
	assert.Equal(t, `#{a => <<"text">>}`, Format(map[Atom]string{"a": "text"}))
	assert.Equal(t, "{ok,[true,undefined]}", Tuple{Atom("ok"), []any{true, nil}}.String())
}
