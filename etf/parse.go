package etf

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parse reads one term in Erlang syntax, as erl_scan and erl_parse:parse_term/1
// read a constant term; the dot at its end may be missing. Beyond that it reads
// what [Format] writes for pids, ports, references and local terms.
//
// A string is a String, or a List if it has characters above 255; the empty
// string is the empty list. Of keys that come twice in a map the last counts,
// as in Erlang. Expressions, variables, records and macros are no terms.
//
// Errors are of type [*SyntaxError].
func Parse(text string) (Term, error) {
	p := parser{text: text}
	t, err := p.one()
	if err != nil {
		return nil, err
	}
	return t, nil
}

// ParseAll reads terms that each end with a dot, as file:consult/1 does. The
// dot of the last may be missing.
func ParseAll(text string) ([]Term, error) {
	p := parser{text: text}
	var terms []Term
	for {
		t, more, err := p.next()
		if err != nil || !more {
			return terms, err
		}
		terms = append(terms, t)
	}
}

// A SyntaxError tells where a text is no Erlang term, and why.
type SyntaxError struct {
	Offset int // in bytes
	Line   int // from 1
	Column int // in characters, from 1
	Detail string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("etf: line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

type parser struct {
	text  string
	off   int
	depth int
	sized int // bytes that the sizes of binaries' segments have asked for
}

// A parser fails by panicking with a *SyntaxError, which does not leave this
// file.
func (p *parser) fail(format string, args ...any) {
	p.failAt(p.off, format, args...)
}

func (p *parser) failAt(off int, format string, args ...any) {
	off = min(off, len(p.text))
	before := p.text[:off]
	line := strings.Count(before, "\n")
	before = before[strings.LastIndexByte(before, '\n')+1:]
	panic(&SyntaxError{Offset: off, Line: line + 1, Column: utf8.RuneCountInString(before) + 1, Detail: fmt.Sprintf(format, args...)})
}

func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case *SyntaxError:
		*err = r
	default:
		panic(r)
	}
}

func (p *parser) one() (t Term, err error) {
	defer caught(&err)
	t = p.term()
	p.dot()
	if p.space(); p.off < len(p.text) {
		p.fail("%s follows the term", p.here())
	}
	return t, nil
}

func (p *parser) next() (t Term, more bool, err error) {
	defer caught(&err)
	if p.space(); p.off == len(p.text) {
		return nil, false, nil
	}
	t = p.term()
	if p.space(); p.off < len(p.text) && !p.dot() {
		p.fail("%s where the dot after a term belongs", p.here())
	}
	return t, true, nil
}

// dot reads the dot that ends a term; a space or the end must follow.
func (p *parser) dot() bool {
	p.space()
	rest := p.text[p.off:]
	if rest == "" || rest[0] != '.' || len(rest) > 1 && !strings.ContainsRune(" \t\r\n%", rune(rest[1])) {
		return false
	}
	p.off++
	return true
}

// here describes what is next, for an error.
func (p *parser) here() string {
	if p.off >= len(p.text) {
		return "the end"
	}
	c, n := utf8.DecodeRuneInString(p.text[p.off:])
	if c == utf8.RuneError && n == 1 {
		return fmt.Sprintf("the byte %d, which is not UTF-8,", p.text[p.off])
	}
	return strconv.QuoteRune(c)
}

// space skips white space and comments.
func (p *parser) space() {
	for p.off < len(p.text) {
		switch c := p.text[p.off]; {
		case c <= ' ' || c == 0x7f:
			p.off++
		case strings.HasPrefix(p.text[p.off:], "\u00a0"):
			p.off += 2
		case c == '%':
			if i := strings.IndexByte(p.text[p.off:], '\n'); i >= 0 {
				p.off += i + 1
			} else {
				p.off = len(p.text)
			}
		default:
			return
		}
	}
}

// accept reads a token of punctuation if it is next.
func (p *parser) accept(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.off:], token) {
		return false
	}
	p.off += len(token)
	return true
}

func (p *parser) expect(token string) {
	if !p.accept(token) {
		p.fail("%s where %q belongs", p.here(), token)
	}
}

func (p *parser) peek() (rune, int) {
	if p.off < len(p.text) && p.text[p.off] < utf8.RuneSelf {
		return rune(p.text[p.off]), 1
	}
	return utf8.DecodeRuneInString(p.text[p.off:])
}

func (p *parser) term() Term {
	if p.depth++; p.depth > DefaultMaxDepth {
		p.fail("terms are nested deeper than %d levels", DefaultMaxDepth)
	}
	defer func() { p.depth-- }()
	p.space()
	start := p.off
	c, _ := p.peek()
	switch {
	case p.off >= len(p.text):
		p.fail("the end where a term belongs")
	case c >= '0' && c <= '9' || c == '$' || c == '-' || c == '+':
		return p.number()
	case atomStart(c) || c == '\'':
		name := p.atom()
		if c != '\'' && reserved[name] && name != "maybe" && name != "else" {
			if name == "fun" {
				return p.export()
			}
			p.failAt(start, "%s is a reserved word; the atom is '%s'", name, name)
		}
		return Atom(name)
	case c == '"' || c == '~':
		return p.stringTerm()
	case p.accept("<<"):
		return p.binary()
	case p.accept("{"):
		return Tuple(p.sequence("}"))
	case p.accept("["):
		return p.list()
	case p.accept("#{"):
		return p.mapping()
	case c == '#':
		return p.identifier()
	case c == '_' || c >= 'A' && c <= 'Z' || c >= 'À' && c <= 'Þ' && c != '×':
		end := p.off
		for i, c := range p.text[p.off:] {
			if !atomChar(c) {
				break
			}
			end = p.off + i + utf8.RuneLen(c)
		}
		p.fail("the variable %s is no term", p.text[p.off:end])
	}
	p.fail("%s starts no term", p.here())
	return nil
}

// sequence reads terms up to a closing token.
func (p *parser) sequence(closing string) []Term {
	terms := []Term{}
	if p.accept(closing) {
		return terms
	}
	for {
		terms = append(terms, p.term())
		if !p.accept(",") {
			p.expect(closing)
			return terms
		}
	}
}

func (p *parser) list() Term {
	elements := List{}
	if p.accept("]") {
		return elements
	}
	for {
		elements = append(elements, p.term())
		if p.accept(",") {
			continue
		}
		if !p.accept("|") {
			p.expect("]")
			return elements
		}
		tail := p.term()
		p.expect("]")
		switch tail := tail.(type) {
		case List:
			return append(elements, tail...)
		case String:
			for i := range len(tail) {
				elements = append(elements, int64(tail[i]))
			}
			return elements
		case ImproperList:
			return ImproperList{Elements: append(elements, tail.Elements...), Tail: tail.Tail}
		}
		return ImproperList{Elements: elements, Tail: tail}
	}
}

func (p *parser) mapping() Term {
	m := Map{}
	if p.accept("}") {
		return m
	}
	at := map[string]int{}
	for {
		start := p.off
		key := p.term()
		p.expect("=>")
		value := p.term()
		raw, err := EncodeOptions{Sorted: true}.Append(nil, key)
		if err != nil {
			p.failAt(start, "%v", err)
		}
		if i, twice := at[string(raw)]; twice {
			m[i].Value = value
		} else {
			at[string(raw)] = len(m)
			m = append(m, Pair{key, value})
		}
		if !p.accept(",") {
			p.expect("}")
			return m
		}
	}
}

// atom reads the name of an atom, bare or quoted.
func (p *parser) atom() string {
	p.space()
	start := p.off
	c, _ := p.peek()
	var name string
	switch {
	case c == '\'':
		name = p.quoted('\'')
	case atomStart(c):
		for p.off < len(p.text) {
			c, n := p.peek()
			if !atomChar(c) {
				break
			}
			p.off += n
		}
		name = p.text[start:p.off]
	default:
		p.fail("%s where an atom belongs", p.here())
	}
	if err := checkAtom(name); err != nil {
		p.failAt(start, "%s", strings.TrimPrefix(err.Error(), "etf: "))
	}
	return name
}

// quoted reads what stands between two quotes, as UTF-8.
func (p *parser) quoted(quote rune) string {
	start := p.off
	p.off++
	var out []byte
	for {
		c, n := p.char(start)
		if c == quote && n == 1 {
			return string(out)
		}
		out = utf8.AppendRune(out, c)
	}
}

// char reads one character of a quoted text that began at start. An escape
// counts as more than one byte, so that the caller can tell a closing quote.
func (p *parser) char(start int) (c rune, n int) {
	if p.off >= len(p.text) {
		p.failAt(start, "the quote is not closed")
	}
	c, n = p.peek()
	if c == utf8.RuneError && n == 1 {
		p.fail("%s starts no character", p.here())
	}
	if c != '\\' {
		p.off += n
		return c, n
	}
	from := p.off
	c = p.escape()
	return c, max(2, p.off-from)
}

// escape reads an escape sequence from its backslash on.
func (p *parser) escape() rune {
	start := p.off
	p.off++
	if p.off >= len(p.text) {
		p.failAt(start, "the escape sequence is not complete")
	}
	c, n := p.peek()
	if c == utf8.RuneError && n == 1 {
		p.fail("%s starts no character", p.here())
	}
	p.off += n
	switch c {
	case 'b':
		return '\b'
	case 'd':
		return 127
	case 'e':
		return 27
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 's':
		return ' '
	case 't':
		return '\t'
	case 'v':
		return '\v'
	case '^':
		if p.off < len(p.text) && p.text[p.off] >= '@' && p.text[p.off] <= '_' {
			p.off++
			return rune(p.text[p.off-1]) & 31
		}
		p.failAt(start, "the escape sequence is no control character")
	case 'x':
		digits, end := 2, p.off+2
		if p.off < len(p.text) && p.text[p.off] == '{' {
			p.off++
			if digits = strings.IndexByte(p.text[p.off:], '}'); digits < 0 {
				p.failAt(start, "the escape sequence is not closed")
			}
			end = p.off + digits + 1
		}
		if p.off+digits > len(p.text) {
			p.failAt(start, "the escape sequence is not complete")
		}
		v, err := strconv.ParseUint(p.text[p.off:p.off+digits], 16, 32)
		if err != nil || v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
			p.failAt(start, "the escape sequence is no character")
		}
		p.off = end
		return rune(v)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := c - '0'
		for i := 0; i < 2 && p.off < len(p.text) && p.text[p.off] >= '0' && p.text[p.off] <= '7'; i++ {
			v = v<<3 | rune(p.text[p.off]-'0')
			p.off++
		}
		return v
	}
	return c
}

// stringTerm reads strings, which join if they stand side by side, or a sigil.
func (p *parser) stringTerm() Term {
	if p.text[p.off] == '~' {
		return p.sigil()
	}
	var text strings.Builder
	for p.off < len(p.text) && p.text[p.off] == '"' {
		if strings.HasPrefix(p.text[p.off:], `"""`) {
			p.fail("strings in triple quotes are not read")
		}
		text.WriteString(p.quoted('"'))
		p.space()
	}
	return charlist(text.String())
}

// charlist is the list of a text's characters.
func charlist(text string) Term {
	if text == "" {
		return List{}
	}
	latin1 := make([]byte, 0, len(text))
	for _, c := range text {
		if c > 255 {
			l := List{}
			for _, c := range text {
				l = append(l, int64(c))
			}
			return l
		}
		latin1 = append(latin1, byte(c))
	}
	return String(latin1)
}

// sigil reads ~"text" and ~b"text", binaries, and ~s"text", a string.
func (p *parser) sigil() Term {
	start := p.off
	p.off++
	isString := p.accept("s")
	if !isString {
		p.accept("b")
	}
	if p.off >= len(p.text) || p.text[p.off] != '"' || strings.HasPrefix(p.text[p.off:], `"""`) {
		p.failAt(start, `of the sigils, ~"", ~b"" and ~s"" are read`)
	}
	text := p.quoted('"')
	if isString {
		return charlist(text)
	}
	return []byte(text)
}

// maxDigits bounds numbers that are not in base 16, which takes time that
// grows with the square of their length.
const maxDigits = 100_000

func (p *parser) number() Term {
	start, negative := p.off, false
	if c := p.text[p.off]; c == '-' || c == '+' {
		p.off++
		negative = c == '-'
		p.space()
	}
	switch v := p.unsigned(start).(type) {
	case *big.Int:
		if negative {
			v.Neg(v)
		}
		if v.IsInt64() {
			return v.Int64()
		}
		return v
	case float64:
		if negative {
			return -v
		}
		return v
	default:
		return nil
	}
}

// unsigned reads an integer, a character or a float; start is where it or its
// sign begins.
func (p *parser) unsigned(start int) any {
	if p.off < len(p.text) && p.text[p.off] == '$' {
		p.off++
		if p.off < len(p.text) && p.text[p.off] == '\\' {
			return big.NewInt(int64(p.escape()))
		}
		c, n := p.peek()
		if n == 0 || c == utf8.RuneError && n == 1 {
			p.failAt(start, "$ is not followed by a character")
		}
		p.off += n
		return big.NewInt(int64(c))
	}
	digits := p.digits(10)
	if digits == "" {
		p.failAt(start, "the sign is not followed by a number")
	}
	rest := p.text[p.off:]
	if strings.HasPrefix(rest, "#") && len(rest) > 1 && digitOf(rest[1]) < 36 {
		base, err := strconv.Atoi(digits)
		if err != nil || base < 2 || base > 36 {
			p.failAt(start, "the base of a number is 2 to 36, not %s", digits)
		}
		p.off++
		if digits = p.digits(base); digits == "" {
			p.fail("%s is no digit in base %d", p.here(), base)
		}
		return p.integer(start, digits, base)
	}
	if len(rest) < 2 || rest[0] != '.' || rest[1] < '0' || rest[1] > '9' {
		return p.integer(start, digits, 10)
	}
	p.off++
	text := digits + "." + p.digits(10)
	if rest = p.text[p.off:]; len(rest) > 1 && (rest[0] == 'e' || rest[0] == 'E') {
		from := p.off
		p.off++
		sign := ""
		if rest[1] == '-' || rest[1] == '+' {
			sign = rest[1:2]
			p.off++
		}
		if exponent := p.digits(10); exponent != "" {
			text += "e" + sign + exponent
		} else {
			p.off = from
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.failAt(start, "the float is out of range")
	}
	return f
}

func (p *parser) integer(start int, digits string, base int) *big.Int {
	v, ok := new(big.Int), true
	switch {
	case base == 16:
		if len(digits)/2 > DefaultMaxBig {
			p.failAt(start, "an integer of %d digits", len(digits))
		}
		b, err := hex.DecodeString(strings.Repeat("0", len(digits)%2) + digits)
		v.SetBytes(b)
		ok = err == nil
	case len(digits) > maxDigits:
		p.failAt(start, "an integer of %d digits, at most %d are read, and more in base 16", len(digits), maxDigits)
	default:
		_, ok = v.SetString(digits, base)
	}
	if !ok {
		p.failAt(start, "%q is no number in base %d", digits, base)
	}
	return v
}

// digits reads digits, with single underscores between them left out.
func (p *parser) digits(base int) string {
	start, underscores := p.off, false
	for p.off < len(p.text) {
		c := p.text[p.off]
		if c == '_' && p.off > start && p.off+1 < len(p.text) && digitOf(p.text[p.off+1]) < base {
			underscores = true
			p.off++
			continue
		}
		if digitOf(c) >= base {
			break
		}
		p.off++
	}
	if underscores {
		return strings.ReplaceAll(p.text[start:p.off], "_", "")
	}
	return p.text[start:p.off]
}

// digitOf is the value of a digit in any base, 36 if c is none.
func digitOf(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'Z':
		return int(c-'A') + 10
	}
	return 36
}

// export reads the rest of fun Module:Function/Arity.
func (p *parser) export() Term {
	e := Export{Module: Atom(p.atom())}
	p.expect(":")
	e.Function = Atom(p.atom())
	p.expect("/")
	p.space()
	e.Arity = uint8(p.uint("an arity", 8))
	return e
}

// uint reads a decimal number of so many bits.
func (p *parser) uint(what string, size int) uint64 {
	start := p.off
	digits := p.digits(10)
	v, err := strconv.ParseUint(digits, 10, size)
	switch {
	case errors.Is(err, strconv.ErrRange):
		p.failAt(start, "%s is too large for %s", digits, what)
	case err != nil:
		p.failAt(start, "%s where %s belongs", p.here(), what)
	}
	return v
}

// identifier reads what Format writes for terms without a syntax.
func (p *parser) identifier() Term {
	start := p.off
	switch {
	case p.accept("#Pid<"):
		node, n := p.parts(3, 3, 32)
		return Pid{Node: node, ID: uint32(n[0]), Serial: uint32(n[1]), Creation: uint32(n[2])}
	case p.accept("#Port<"):
		node, n := p.parts(2, 2, 64)
		if n[1] > 1<<32-1 {
			p.failAt(start, "%d is too large for a creation", n[1])
		}
		return Port{Node: node, ID: n[0], Creation: uint32(n[1])}
	case p.accept("#Ref<"):
		node, n := p.parts(2, 1+maxRefWords, 32)
		r := Ref{Node: node, Creation: uint32(n[0]), Len: len(n) - 1}
		for i := range r.Len {
			r.Words[i] = uint32(n[1+i])
		}
		return r
	case p.accept("#Local<"):
		end := strings.IndexByte(p.text[p.off:], '>')
		if end < 1 {
			p.failAt(start, "the local term is not closed or empty")
		}
		b, err := hex.DecodeString(p.text[p.off : p.off+end])
		if err != nil {
			p.failAt(start, "the local term is not in base 16")
		}
		if p.depth > 1 {
			p.failAt(start, "a local term inside another")
		}
		p.off += end + 1
		return Local(b)
	case p.accept("#Fun<"):
		p.failAt(start, "a fun cannot be read back: its text lacks what it closes over")
	}
	p.fail("only maps, #Pid<>, #Port<>, #Ref<> and #Local<> begin with #")
	return nil
}

// parts reads a node and numbers after dots, up to >.
func (p *parser) parts(least, most, size int) (Atom, []uint64) {
	node := Atom(p.atom())
	var n []uint64
	for p.off < len(p.text) && p.text[p.off] == '.' {
		p.off++
		n = append(n, p.uint("a number", size))
	}
	if len(n) < least || len(n) > most {
		p.fail("%d numbers where %d to %d belong", len(n), least, most)
	}
	p.expect(">")
	return node, n
}
