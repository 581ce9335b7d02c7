package etf_test

import (
	"fmt"

	"github.com/gentcp/gentcp/etf"
)

// A message is appended and scanned piece by piece, with no allocation.
func ExampleScanner() {
	msg := etf.AppendVersion(nil)
	msg = etf.AppendTupleHeader(msg, 3)
	msg = etf.AppendAtom(msg, "tcp")
	msg = etf.AppendInt(msg, 17)
	msg = etf.AppendBinary(msg, "hello")

	s := etf.NewScanner(msg)
	s.Version()
	arity, tag, id, data := s.TupleHeader(), s.Atom(), s.Int(), s.Binary()
	if err := s.Finish(); err != nil { // one look for all of the above
		fmt.Println(err)
		return
	}
	fmt.Printf("%d %s %d %s\n", arity, tag, id, data)
	// Output: 3 tcp 17 hello
}

// What is asked for and is not there is told by its offset and tag.
func ExampleScanner_Err() {
	s := etf.NewScanner([]byte{131, 108, 255, 255, 255, 255, 1, 2, 3})
	s.Version()
	for range s.ListHeader() {
		s.Int()
	}
	fmt.Println(s.Err())
	// Output: etf: at offset 1: LIST_EXT claims 4294967295 elements, 3 bytes are left
}
