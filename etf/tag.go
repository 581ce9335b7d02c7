package etf

import "fmt"

// Tag is the byte that starts every encoded term. The names and numbers are
// those of the chapter "External Term Format" of the ERTS User's Guide.
type Tag uint8

// Version is the byte before a term that stands alone, as term_to_binary/1
// writes it. Terms inside other terms have none.
const Version = 131

const (
	tagNewFloat      Tag = 70
	tagBitBinary     Tag = 77
	tagCompressed    Tag = 80
	tagAtomCacheRef  Tag = 82
	tagNewPid        Tag = 88
	tagNewPort       Tag = 89
	tagNewerRef      Tag = 90
	tagSmallInteger  Tag = 97
	tagInteger       Tag = 98
	tagFloat         Tag = 99
	tagAtom          Tag = 100
	tagRef           Tag = 101
	tagPort          Tag = 102
	tagPid           Tag = 103
	tagSmallTuple    Tag = 104
	tagLargeTuple    Tag = 105
	tagNil           Tag = 106
	tagString        Tag = 107
	tagList          Tag = 108
	tagBinary        Tag = 109
	tagSmallBig      Tag = 110
	tagLargeBig      Tag = 111
	tagNewFun        Tag = 112
	tagExport        Tag = 113
	tagNewRef        Tag = 114
	tagSmallAtom     Tag = 115
	tagMap           Tag = 116
	tagFun           Tag = 117
	tagAtomUTF8      Tag = 118
	tagSmallAtomUTF8 Tag = 119
	tagV4Port        Tag = 120
	tagLocal         Tag = 121
)

var tags = [256]struct {
	name string
	kind Kind
}{
	tagNewFloat:      {"NEW_FLOAT_EXT", KindFloat},
	tagBitBinary:     {"BIT_BINARY_EXT", KindBitstring},
	tagCompressed:    {"COMPRESSED", KindInvalid},
	tagAtomCacheRef:  {"ATOM_CACHE_REF", KindAtom},
	tagNewPid:        {"NEW_PID_EXT", KindPid},
	tagNewPort:       {"NEW_PORT_EXT", KindPort},
	tagNewerRef:      {"NEWER_REFERENCE_EXT", KindRef},
	tagSmallInteger:  {"SMALL_INTEGER_EXT", KindInteger},
	tagInteger:       {"INTEGER_EXT", KindInteger},
	tagFloat:         {"FLOAT_EXT", KindFloat},
	tagAtom:          {"ATOM_EXT", KindAtom},
	tagRef:           {"REFERENCE_EXT", KindRef},
	tagPort:          {"PORT_EXT", KindPort},
	tagPid:           {"PID_EXT", KindPid},
	tagSmallTuple:    {"SMALL_TUPLE_EXT", KindTuple},
	tagLargeTuple:    {"LARGE_TUPLE_EXT", KindTuple},
	tagNil:           {"NIL_EXT", KindNil},
	tagString:        {"STRING_EXT", KindString},
	tagList:          {"LIST_EXT", KindList},
	tagBinary:        {"BINARY_EXT", KindBinary},
	tagSmallBig:      {"SMALL_BIG_EXT", KindInteger},
	tagLargeBig:      {"LARGE_BIG_EXT", KindInteger},
	tagNewFun:        {"NEW_FUN_EXT", KindFun},
	tagExport:        {"EXPORT_EXT", KindExport},
	tagNewRef:        {"NEW_REFERENCE_EXT", KindRef},
	tagSmallAtom:     {"SMALL_ATOM_EXT", KindAtom},
	tagMap:           {"MAP_EXT", KindMap},
	tagFun:           {"FUN_EXT", KindFun},
	tagAtomUTF8:      {"ATOM_UTF8_EXT", KindAtom},
	tagSmallAtomUTF8: {"SMALL_ATOM_UTF8_EXT", KindAtom},
	tagV4Port:        {"V4_PORT_EXT", KindPort},
	tagLocal:         {"LOCAL_EXT", KindLocal},
}

// Kind is the class of term that t starts, [KindInvalid] if there is none.
func (t Tag) Kind() Kind { return tags[t].kind }

// String is the name in the specification, such as LIST_EXT, or "tag 7" for a
// byte that starts no term.
func (t Tag) String() string {
	if name := tags[t].name; name != "" {
		return name
	}
	return fmt.Sprintf("tag %d", uint8(t))
}

// Kind is a class of terms, whatever tag encodes them.
type Kind uint8

const (
	KindInvalid   Kind = iota // no term, an unknown tag, or an error before it
	KindAtom                  // every atom tag and ATOM_CACHE_REF
	KindInteger               // small, 32-bit and big integers
	KindFloat                 // FLOAT_EXT and NEW_FLOAT_EXT
	KindTuple                 // SMALL_TUPLE_EXT and LARGE_TUPLE_EXT
	KindList                  // LIST_EXT: elements and a tail
	KindNil                   // NIL_EXT, the empty list
	KindString                // STRING_EXT, a list of bytes
	KindBinary                // BINARY_EXT
	KindBitstring             // BIT_BINARY_EXT
	KindMap                   // MAP_EXT
	KindPid                   // PID_EXT and NEW_PID_EXT
	KindPort                  // PORT_EXT, NEW_PORT_EXT and V4_PORT_EXT
	KindRef                   // the three reference tags
	KindFun                   // FUN_EXT and NEW_FUN_EXT
	KindExport                // EXPORT_EXT: fun M:F/A
	KindLocal                 // LOCAL_EXT: only its writer can read it
)

var kinds = [...]string{
	"invalid", "atom", "integer", "float", "tuple", "list", "nil", "string", "binary",
	"bitstring", "map", "pid", "port", "reference", "fun", "export", "local term",
}

// String is the Erlang name of the class, such as "reference".
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
