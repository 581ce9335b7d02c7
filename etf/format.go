package etf

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format returns t in Erlang syntax, on one line, as io:format("~tp") prints
// it: lists of printable Latin-1 characters as "text", binaries of printable
// UTF-8 as <<"text">>. [Parse] reads it back, but for funs.
//
// What has no syntax in Erlang is written so that nothing is lost:
// #Pid<Node.ID.Serial.Creation>, #Port<Node.ID.Creation>,
// #Ref<Node.Creation.Word...>, #Local<Hex>; of a fun, #Fun<Module.Index.OldUniq>
// loses what it closes over. Integers above 65,536 bits are in base 16: decimal
// would take too long.
func Format(t Term) string { return string(AppendFormat(nil, t)) }

// AppendFormat adds to dst what [Format] returns.
func AppendFormat(dst []byte, t Term) []byte {
	switch t := t.(type) {
	case Atom:
		return appendAtomText(dst, string(t))
	case int64:
		return strconv.AppendInt(dst, t, 10)
	case *big.Int:
		if t != nil && t.BitLen() <= 1<<16 {
			return t.Append(dst, 10)
		} else if t != nil {
			if t.Sign() < 0 {
				dst = append(dst, '-')
			}
			return new(big.Int).Abs(t).Append(append(dst, "16#"...), 16)
		}
	case float64:
		return appendFloatText(dst, t)
	case []byte:
		return appendBinaryText(dst, t)
	case Bitstring:
		return appendBitstringText(dst, t)
	case Tuple:
		return append(appendTerms(append(dst, '{'), t), '}')
	case List:
		return appendListText(dst, t)
	case String:
		return appendStringText(dst, string(t))
	case ImproperList:
		if len(t.Elements) > 0 {
			dst = appendTerms(append(dst, '['), t.Elements)
			return append(AppendFormat(append(dst, '|'), t.Tail), ']')
		}
	case Map:
		dst = append(dst, "#{"...)
		for i, p := range t {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendFormat(dst, p.Key), " => "...)
			dst = AppendFormat(dst, p.Value)
		}
		return append(dst, '}')
	case Pid:
		dst = appendAtomText(append(dst, "#Pid<"...), string(t.Node))
		return fmt.Appendf(dst, ".%d.%d.%d>", t.ID, t.Serial, t.Creation)
	case Port:
		dst = appendAtomText(append(dst, "#Port<"...), string(t.Node))
		return fmt.Appendf(dst, ".%d.%d>", t.ID, t.Creation)
	case Ref:
		dst = appendAtomText(append(dst, "#Ref<"...), string(t.Node))
		dst = fmt.Appendf(dst, ".%d", t.Creation)
		for _, word := range t.Words[:max(0, min(t.Len, maxRefWords))] {
			dst = fmt.Appendf(dst, ".%d", word)
		}
		return append(dst, '>')
	case Export:
		dst = appendAtomText(append(dst, "fun "...), string(t.Module))
		dst = appendAtomText(append(dst, ':'), string(t.Function))
		return fmt.Appendf(dst, "/%d", t.Arity)
	case Fun:
		dst = appendAtomText(append(dst, "#Fun<"...), string(t.Module))
		return fmt.Appendf(dst, ".%d.%d>", t.OldIndex, t.OldUniq)
	case Local:
		return append(hex.AppendEncode(append(dst, "#Local<"...), t), '>')
	case RawTerm:
		v, err := checkRaw.DecodeRaw(t)
		if err != nil {
			return fmt.Appendf(dst, "#Raw<%x>", []byte(t))
		}
		return AppendFormat(dst, v)
	}
	raw, err := Append(nil, t) // a Go value: print the term that it becomes
	if err != nil {
		return fmt.Appendf(dst, "#Go<%T>", t)
	}
	return AppendFormat(dst, RawTerm(raw))
}

// String is the atom in Erlang syntax, with quotes if it needs them. The bare
// name is string(a).
func (a Atom) String() string { return Format(a) }

// String is the term in Erlang syntax.
func (t Tuple) String() string { return Format(t) }

// String is the term in Erlang syntax.
func (l List) String() string { return Format(l) }

// String is the term in Erlang syntax.
func (l ImproperList) String() string { return Format(l) }

// String is the term in Erlang syntax.
func (m Map) String() string { return Format(m) }

// String is the term in Erlang syntax.
func (b Bitstring) String() string { return Format(b) }

// String is #Pid<Node.ID.Serial.Creation>.
func (p Pid) String() string { return Format(p) }

// String is #Port<Node.ID.Creation>.
func (p Port) String() string { return Format(p) }

// String is #Ref<Node.Creation.Word...>.
func (r Ref) String() string { return Format(r) }

// String is fun Module:Function/Arity.
func (e Export) String() string { return Format(e) }

// String is #Fun<Module.Index.OldUniq>.
func (f Fun) String() string { return Format(f) }

// String is the term in Erlang syntax.
func (t RawTerm) String() string { return Format(t) }

// String is #Local<Hex>.
func (l Local) String() string { return Format(l) }

func appendTerms(dst []byte, ts []Term) []byte {
	for i, t := range ts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendFormat(dst, t)
	}
	return dst
}

func appendListText(dst []byte, l List) []byte {
	var text []byte
	for _, t := range l {
		c, ok := t.(int64)
		if !ok || c < 0 || c > 255 || !printable(rune(c)) {
			return append(appendTerms(append(dst, '['), l), ']')
		}
		text = append(text, byte(c))
	}
	if len(l) == 0 {
		return append(dst, "[]"...)
	}
	return appendStringText(dst, string(text))
}

// appendStringText prints a list of bytes.
func appendStringText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "[]"...)
	}
	for i := range len(s) {
		if printable(rune(s[i])) {
			continue
		}
		dst = append(dst, '[')
		for i := range len(s) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendUint(dst, uint64(s[i]), 10)
		}
		return append(dst, ']')
	}
	dst = append(dst, '"')
	for i := range len(s) {
		dst = appendChar(dst, rune(s[i]), '"')
	}
	return append(dst, '"')
}

func appendBinaryText(dst, b []byte) []byte {
	dst = append(dst, "<<"...)
	if len(b) > 0 && printableUTF8(b) {
		dst = append(dst, '"')
		for _, c := range string(b) {
			dst = appendChar(dst, c, '"')
		}
		if dst = append(dst, '"'); !ascii(b) {
			dst = append(dst, "/utf8"...)
		}
	} else {
		dst = appendByteList(dst, b)
	}
	return append(dst, ">>"...)
}

func appendByteList(dst, b []byte) []byte {
	for i, c := range b {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(c), 10)
	}
	return dst
}

func appendBitstringText(dst []byte, b Bitstring) []byte {
	n := len(b.Data) - 1
	if n < 0 || b.Used < 1 || b.Used > 7 {
		return appendBinaryText(dst, b.Data)
	}
	dst = appendByteList(append(dst, "<<"...), b.Data[:n])
	if n > 0 {
		dst = append(dst, ',')
	}
	return fmt.Appendf(dst, "%d:%d>>", b.Data[n]>>(8-b.Used), b.Used)
}

func appendFloatText(dst []byte, f float64) []byte {
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	text := string(dst[n:])
	mantissa, exponent, scientific := strings.Cut(text, "e")
	if strings.ContainsAny(text, "IN") { // no Erlang float
		return dst
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	dst = append(dst[:n], mantissa...)
	if scientific {
		e, _ := strconv.Atoi(exponent)
		dst = strconv.AppendInt(append(dst, 'e'), int64(e), 10)
	}
	return dst
}

// reserved holds the words that are no atoms without quotes. The two that
// became such in OTP 27 get quotes here too, and Parse reads them without.
var reserved = map[string]bool{}

func init() {
	for _, word := range strings.Fields(`after and andalso band begin bnot bor bsl bsr bxor case catch cond
		div else end fun if let maybe not of or orelse receive rem try when xor`) {
		reserved[word] = true
	}
}

func appendAtomText(dst []byte, name string) []byte {
	if bareAtom(name) {
		return append(dst, name...)
	}
	dst = append(dst, '\'')
	for i, c := range name {
		if c == utf8.RuneError && !strings.HasPrefix(name[i:], "\uFFFD") {
			dst = append(dst, name[i]) // no UTF-8: cannot come from Decode
			continue
		}
		dst = appendChar(dst, c, '\'')
	}
	return append(dst, '\'')
}

func quoteAtom(name string) string { return string(appendAtomText(nil, name)) }

// bareAtom reports whether a name needs no quotes: it is no reserved word and
// made of the Latin-1 letters, digits, _ and @ that erl_scan takes.
func bareAtom(name string) bool {
	for i, c := range name {
		if i == 0 && !atomStart(c) || !atomChar(c) {
			return false
		}
	}
	return name != "" && !reserved[name]
}

func atomStart(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'ß' && c <= 'ÿ' && c != '÷'
}

func atomChar(c rune) bool {
	return atomStart(c) || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '@' ||
		c >= 'À' && c <= 'Þ' && c != '×'
}

// printable is io_lib:printable_latin1_list/1 for one character.
func printable(c rune) bool {
	return c >= ' ' && c <= '~' || c >= 0xa0 && c <= 0xff || c >= '\b' && c <= '\r' || c == 27
}

func printableUTF8(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 || !printable(c) && (c < 256 || !unicode.IsPrint(c)) {
			return false
		}
		b = b[n:]
	}
	return true
}

var escapes = map[rune]byte{
	'\n': 'n', '\t': 't', '\r': 'r', '\b': 'b', '\f': 'f', '\v': 'v', 27: 'e', 127: 'd',
}

// appendChar adds a character of an atom or string between the given quotes.
func appendChar(dst []byte, c, quote rune) []byte {
	switch {
	case c == quote || c == '\\':
		return append(dst, '\\', byte(c))
	case c < ' ' || c == 127:
		if short, ok := escapes[c]; ok {
			return append(dst, '\\', short)
		}
		return fmt.Appendf(dst, "\\x{%X}", c)
	case c > 127 && c < 0xa0 || c > 255 && !unicode.IsPrint(c):
		return fmt.Appendf(dst, "\\x{%X}", c)
	}
	return utf8.AppendRune(dst, c)
}

// formatKey prints the term at the start of raw for an error.
func formatKey(raw []byte, opts *DecodeOptions) string {
	s := opts.NewScanner(raw)
	text := Format(s.Term())
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "..."
	}
	return text
}
