package etf

import (
	"encoding/binary"
	"math"
	"math/big"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxSized bounds what a few characters such as <<0:999999999>> make, in all
// binaries of a text together.
const maxSized = 1 << 20

// segment is what a part of <<...>> says after its value.
type segment struct {
	kind   string // integer, float, utf8, utf16 or utf32
	little bool
	size   int // -1 if none was given
	unit   int
}

// bitWriter collects bits from the highest of the first byte on.
type bitWriter struct {
	data []byte
	used int // bits of the last byte, 0 or 8 if it is whole
}

// binary reads the rest of <<Value:Size/Type-...,...>> with constant values.
func (p *parser) binary() Term {
	w := bitWriter{data: []byte{}}
	if p.accept(">>") {
		return w.data
	}
	for {
		p.segment(&w)
		if !p.accept(",") {
			break
		}
	}
	p.expect(">>")
	if w.used%8 == 0 {
		return w.data
	}
	return Bitstring{Data: w.data, Used: w.used}
}

func (p *parser) segment(w *bitWriter) {
	p.space()
	start := p.off
	var text string
	var value Term
	if isText := strings.HasPrefix(p.text[p.off:], `"`); isText {
		for strings.HasPrefix(p.text[p.off:], `"`) {
			text += p.quoted('"')
			p.space()
		}
	} else {
		if p.off >= len(p.text) || !strings.ContainsRune("+-$0123456789", rune(p.text[p.off])) {
			p.fail("%s where a number or a string belongs", p.here())
		}
		value = p.number()
	}
	s := segment{kind: "integer", size: -1, unit: 1}
	if p.accept(":") {
		p.space()
		s.size = int(p.uint("a size", 31))
	}
	if p.accept("/") {
		p.specifiers(&s)
	}
	if value != nil {
		p.write(w, start, value, s)
		return
	}
	for _, c := range text {
		p.write(w, start, int64(c), s)
	}
}

func (p *parser) specifiers(s *segment) {
	unit := false
	for {
		start := p.off
		switch name := p.atom(); name {
		case "integer", "float", "utf8", "utf16", "utf32":
			s.kind = name
		case "little":
			s.little = true
		case "big", "signed", "unsigned": // big is the default; signs matter to matching alone
		case "unit":
			p.expect(":")
			p.space()
			if s.unit = int(p.uint("a unit", 9)); s.unit < 1 || s.unit > 256 {
				p.failAt(start, "a unit is 1 to 256")
			}
			unit = true
		default:
			p.failAt(start, "the type %s is not read", name)
		}
		if !p.accept("-") {
			break
		}
	}
	if unit && s.size < 0 {
		p.fail("a unit needs a size")
	}
}

// write adds one value to w.
func (p *parser) write(w *bitWriter, start int, value Term, s segment) {
	i, isInteger := new(big.Int), true
	switch v := value.(type) {
	case int64:
		i.SetInt64(v)
	case *big.Int:
		i = v
	case float64:
		isInteger = false
	}
	size := s.size * s.unit
	var bits []byte
	switch s.kind {
	case "integer":
		if !isInteger {
			p.failAt(start, "a float in a segment of integers")
		}
		if s.size < 0 {
			size = 8
		}
		if p.sized += size / 8; p.sized > maxSized+8*len(p.text) {
			p.failAt(start, "sizes that ask for more than %d bytes", maxSized)
		}
		w.integer(i, size, s.little)
		return
	case "float":
		f, ok := value.(float64)
		if isInteger {
			f, _ = new(big.Float).SetInt(i).Float64()
			ok = !math.IsInf(f, 0)
		}
		if s.size < 0 {
			size = 64
		}
		switch {
		case ok && size == 64:
			bits = binary.BigEndian.AppendUint64(nil, math.Float64bits(f))
		case ok && size == 32 && !math.IsInf(float64(float32(f)), 0):
			bits = binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(f)))
		default:
			p.failAt(start, "a float segment of %d bits", size)
		}
	default:
		if s.size >= 0 {
			p.failAt(start, "a size with the type %s", s.kind)
		}
		if !isInteger || !i.IsInt64() || i.Int64() < 0 || i.Int64() > utf8.MaxRune || !utf8.ValidRune(rune(i.Int64())) {
			p.failAt(start, "no character for the type %s", s.kind)
		}
		c := rune(i.Int64())
		switch s.kind {
		case "utf8":
			w.bytes(utf8.AppendRune(nil, c))
			return
		case "utf16":
			for _, unit := range utf16.AppendRune(nil, c) {
				pair := []byte{byte(unit >> 8), byte(unit)}
				w.ordered(pair, s.little)
			}
			return
		}
		bits = append32(nil, uint32(c))
	}
	w.ordered(bits, s.little)
}

// ordered adds bytes that are in big-endian order.
func (w *bitWriter) ordered(b []byte, little bool) {
	if little {
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
	w.bytes(b)
}

func (w *bitWriter) bytes(b []byte) {
	if w.used%8 == 0 {
		w.data = append(w.data, b...)
		return
	}
	for _, c := range b {
		w.bits(c, 8)
	}
}

// bits adds the low n bits of c, n at most 8.
func (w *bitWriter) bits(c byte, n int) {
	c <<= 8 - n
	if free := (8 - w.used%8) % 8; free > 0 {
		w.data[len(w.data)-1] |= c >> (8 - free)
		if n <= free {
			w.used += n
			return
		}
		c <<= free
		n -= free
	}
	if n > 0 {
		w.data = append(w.data, c)
		w.used = n
	}
}

// integer adds the low size bits of i, in two's complement.
func (w *bitWriter) integer(i *big.Int, size int, little bool) {
	if size == 0 {
		return
	}
	if i.Sign() < 0 || i.BitLen() > size {
		mod := new(big.Int).Lsh(big.NewInt(1), uint(size))
		i = new(big.Int).Mod(i, mod)
	}
	b := i.FillBytes(make([]byte, (size+7)/8))
	odd := size % 8
	if little {
		for k := len(b) - 1; k >= 0; k-- {
			if k == 0 && odd > 0 {
				w.bits(b[0], odd)
			} else {
				w.bits(b[k], 8)
			}
		}
		return
	}
	if odd > 0 {
		w.bits(b[0], odd)
		b = b[1:]
	}
	w.bytes(b)
}
