package etf

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// shape is how a struct is written.
type shape uint8

const (
	shapeMap shape = iota
	shapeBinaryKeys
	shapeProplist
	shapeTuple
)

var shapes = map[string]shape{
	"map": shapeMap, "binarykeys": shapeBinaryKeys, "proplist": shapeProplist, "tuple": shapeTuple,
}

// structType is what the tags of a struct say.
type structType struct {
	shape  shape
	name   string // of a tuple, "" if it has none
	head   []byte // of a tuple, its name included
	fields []structField
	byName map[string]int
}

type structField struct {
	name      string
	typ       reflect.Type
	index     []int
	omitEmpty bool
	form      string // "", "atom", "charlist" or "tuple"
	head      []byte // what comes before the value: the key, or a tuple with the key
}

var structs sync.Map // reflect.Type to structInfo

type structInfo struct {
	t   *structType
	err error
}

func structOf(t reflect.Type) (*structType, error) {
	if s, ok := structs.Load(t); ok {
		return s.(structInfo).t, s.(structInfo).err
	}
	st, err := newStructType(t)
	structs.Store(t, structInfo{st, err})
	return st, err
}

func newStructType(t reflect.Type) (*structType, error) {
	st := &structType{byName: map[string]int{}}
	if f, ok := t.FieldByName("_"); ok && len(f.Index) == 1 {
		name, options, _ := strings.Cut(f.Tag.Get("etf"), ",")
		st.name = name
		if options != "" {
			s, ok := shapes[options]
			if !ok {
				return nil, fmt.Errorf("etf: %s has the shape %q: map, binarykeys, proplist and tuple are known", t, options)
			}
			st.shape = s
		}
		if name != "" && st.shape != shapeTuple {
			return nil, fmt.Errorf("etf: %s has the name %q and is no tuple", t, name)
		}
		if err := checkAtom(name); err != nil {
			return nil, err
		}
	}
	if err := st.collect(t, t, nil, map[reflect.Type]bool{}); err != nil {
		return nil, err
	}
	if st.shape == shapeTuple {
		if st.head = AppendTupleHeader(nil, len(st.fields)); st.name != "" {
			st.head = AppendAtom(AppendTupleHeader(nil, len(st.fields)+1), st.name)
		}
		return st, nil
	}
	for i := range st.fields {
		f := &st.fields[i]
		if err := checkAtom(f.name); err != nil {
			return nil, err
		}
		switch st.shape {
		case shapeMap:
			f.head = AppendAtom(nil, f.name)
		case shapeBinaryKeys:
			f.head = AppendBinary(nil, f.name)
		case shapeProplist:
			f.head = AppendAtom(AppendTupleHeader(nil, 2), f.name)
		}
	}
	return st, nil
}

// collect adds the fields of t, which outer is or embeds.
func (st *structType) collect(outer, t reflect.Type, index []int, open map[reflect.Type]bool) error {
	if open[t] {
		return fmt.Errorf("etf: %s embeds itself", t)
	}
	open[t] = true
	defer delete(open, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("etf")
		if sf.Name == "_" || tag == "-" {
			continue
		}
		at := append(index[:len(index):len(index)], i)
		if et := embedded(sf); et != nil && !tagged {
			if err := st.collect(outer, et, at, open); err != nil {
				return err
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		f := structField{name: name, typ: sf.Type, index: at}
		if name == "" {
			f.name = sf.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			ok := true
			switch option {
			case "":
			case "omitempty":
				f.omitEmpty = true
			case "atom", "charlist":
				f.form, ok = option, sf.Type.Kind() == reflect.String
			case "tuple":
				f.form, ok = option, sf.Type.Kind() == reflect.Slice || sf.Type.Kind() == reflect.Array
			default:
				ok = false
			}
			if !ok {
				return fmt.Errorf("etf: field %s of %s has the option %q, which its type %s does not take", sf.Name, t, option, sf.Type)
			}
		}
		if _, twice := st.byName[f.name]; twice {
			return fmt.Errorf("etf: two fields of %s have the key %q", outer, f.name)
		}
		st.byName[f.name] = len(st.fields)
		st.fields = append(st.fields, f)
	}
	return nil
}

// embedded returns the struct that a field embeds, nil if it embeds none.
func embedded(sf reflect.StructField) reflect.Type {
	t := sf.Type
	if t.Kind() == reflect.Pointer && sf.IsExported() {
		t = t.Elem()
	}
	if !sf.Anonymous || t.Kind() != reflect.Struct || modelTypes[t] || t == bigIntType {
		return nil
	}
	return t
}

// in returns the field's value in v. Embedded pointers on the way are filled if
// fill is set; if not and one is nil, the result is the zero Value.
func (f *structField) in(v reflect.Value, fill bool) reflect.Value {
	for n, i := range f.index {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !fill {
					return reflect.Value{}
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

func (f *structField) encoder() encodeFunc {
	switch f.form {
	case "atom":
		return encodeAtom
	case "charlist":
		return encodeCharlist
	case "tuple":
		return sequenceEncoder(f.typ, true)
	}
	return elementEncoder(f.typ)
}

func (f *structField) decoder() decodeFunc {
	switch f.form {
	case "atom":
		return decodeAtom
	case "charlist":
		return decodeText
	case "tuple":
		return sequenceDecoder(f.typ, true)
	}
	return elementDecoder(f.typ)
}
