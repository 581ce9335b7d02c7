// Package etf reads and writes Erlang's external term format: what
// term_to_binary/1 writes and binary_to_term/1 reads, the payload of ports,
// of the distribution and of many a file. Every tag of the format is known, up
// to OTP 28; the chapter "External Term Format" of the ERTS User's Guide
// describes them.
//
// # Three levels
//
// [Marshal] and [Unmarshal] convert Go values, structs by their tags, in the
// manner of encoding/json; [Encoder] and [Decoder] do so on streams, with the
// framings of {packet,1|2|4} or none. Types of the caller's own take part by
// [Marshaler] and [Unmarshaler].
//
// [Decode] returns a [Term], for data whose shape is not known, and [Append]
// writes one. [Format] prints a term in Erlang syntax and [Parse] reads that.
//
// The functions Append... and the [Scanner] write and read a message piece by
// piece and allocate nothing. The other levels are made of them, so that all
// three agree on what a term is. A [RawTerm] is a term left as its bytes.
//
// # What terms become
//
// Decode, and Unmarshal into an any, return these:
//
//	Erlang                         Go
//	atom                           Atom
//	integer                        int64, or *big.Int if it does not fit
//	float                          float64
//	binary                         []byte
//	bitstring                      Bitstring
//	tuple                          Tuple
//	[]                             List, empty
//	list                           List, or String if it came as STRING_EXT
//	improper list                  ImproperList
//	map                            Map, its pairs in the order they came in
//	pid, port, reference           Pid, Port, Ref
//	fun M:F/A                      Export
//	other fun                      Fun
//	local term (LOCAL_EXT)         Local
//
// [Marshal] says what Go values become, [Unmarshal] which terms fit in which.
//
// # Strings
//
// Erlang has three things that Go would call a string, so that a choice must
// be made. A Go string or []byte is written as a binary, <<"text">>. An atom
// is an [Atom]. A list of bytes, "text" in Erlang source, is a [String]; a
// struct's field of type string with the option charlist is the list of its
// characters, of which some may be above 255. A binary decodes as []byte;
// Unmarshal puts binaries and charlists into a Go string, but atoms only if the
// field has the option atom. Strings that should be text are not checked to be
// UTF-8, but for atoms, which must be.
//
// # Bad input
//
// Whatever the bytes are, the package neither panics nor allocates more than a
// small multiple of their number. A length that the input cannot hold is
// refused before anything is made of it, as is what goes beyond [Limits]: the
// depth of nesting, the number of elements, the length of atoms and integers,
// and the size of compressed terms. An [*Error] says where and why, and wraps
// one of [ErrTruncated], [ErrLimit] and their like.
//
// What binary_to_term/1 refuses is refused, with these differences. FUN_EXT is
// read, though the BEAM gave it up; pids, ports and references may have numbers
// that a BEAM would not make; a fun must have the size that it claims; bytes
// after the term are an error ([DecodeFirst] returns them); of a map's keys,
// compound ones are not searched for duplicates. The distribution header and
// its fragments are no terms and not read; ATOM_CACHE_REF is, given the cache.
//
// # Memory and concurrency
//
// A decoded term shares nothing with the input, unless [DecodeOptions] ask for
// it. What is appended to belongs to the caller. The functions and options may
// be used by many goroutines; a Scanner, Encoder or Decoder by one at a time.
package etf
