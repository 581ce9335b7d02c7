package etf

import (
	"bytes"
	"fmt"
)

// Equal reports whether a and b are the same Erlang term (=:=): integers of
// every Go type are compared as numbers, a String equals the List of its bytes,
// and the order of a map's pairs does not count. Values that cannot be encoded
// equal nothing.
func Equal(a, b Term) bool {
	sorted := EncodeOptions{Sorted: true}
	x, err := sorted.Append(nil, a)
	if err != nil {
		return false
	}
	y, err := sorted.Append(nil, b)
	return err == nil && bytes.Equal(x, y)
}

// Get returns the value of a key, which is compared by [Equal].
func (m Map) Get(key Term) (value Term, ok bool) {
	sorted := EncodeOptions{Sorted: true}
	want, err := sorted.Append(nil, key)
	if err != nil {
		return nil, false
	}
	var buf []byte
	for _, p := range m {
		if buf, err = sorted.Append(buf[:0], p.Key); err == nil && bytes.Equal(buf, want) {
			return p.Value, true
		}
	}
	return nil, false
}

// Go returns m as a Go map, which is safe only if no two keys become one and
// each can be a Go key. Atoms, integers, floats, pids, ports and references
// stay what they are; binaries become Go strings and a String stays one. Any
// other key is an error that wraps [ErrUnsupported]; keys that come twice are
// one that wraps [ErrDuplicate]. Values stay what they are.
func (m Map) Go() (map[any]Term, error) {
	g := make(map[any]Term, len(m))
	for _, p := range m {
		k := p.Key
		switch key := k.(type) {
		case Atom, int64, float64, String, Pid, Port, Ref, Export, bool, string:
		case int:
			k = int64(key)
		case []byte:
			k = string(key)
		default:
			return nil, fmt.Errorf("etf: a key of type %T in a Go map: %w", p.Key, ErrUnsupported)
		}
		if _, twice := g[k]; twice {
			return nil, fmt.Errorf("etf: the key %v: %w", k, ErrDuplicate)
		}
		g[k] = p.Value
	}
	return g, nil
}

// ToGoMap returns m as a map of Go types, by the rules of [Unmarshal]. Keys
// that become equal, such as the atom a and the binary <<"a">> as strings, are
// an error.
func ToGoMap[K comparable, V any](m Map) (map[K]V, error) {
	raw, err := Append(nil, m)
	if err != nil {
		return nil, err
	}
	g := make(map[K]V, len(m))
	if err := checkRaw.UnmarshalRaw(raw, &g); err != nil {
		return nil, err
	}
	return g, nil
}
