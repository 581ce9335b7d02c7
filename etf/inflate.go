package etf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
)

const compressedHead = 5 // the tag and the inflated size

// inflate returns the term that COMPRESSED, at the start of data and at offset
// off of the input, holds, and how many bytes of data it takes. The claimed
// size is checked against the limit before, and against the truth after.
func inflate(data []byte, off int, opts *DecodeOptions) (term []byte, size int, err error) {
	fail := func(kind error, format string, args ...any) ([]byte, int, error) {
		return nil, 0, &Error{Offset: off, Tag: tagCompressed, Err: kind, Detail: fmt.Sprintf(format, args...)}
	}
	if len(data) < compressedHead {
		return fail(ErrTruncated, "%s takes %d bytes, %d are left", tagCompressed, compressedHead, len(data))
	}
	in := bytes.NewReader(data[compressedHead:])
	term, err = inflateFrom(in, binary.BigEndian.Uint32(data[1:]), len(data), opts)
	switch {
	case err == io.ErrUnexpectedEOF:
		return fail(ErrTruncated, "%s ends before its data does", tagCompressed)
	case err != nil:
		if e, ok := err.(*Error); ok {
			e.Offset = off
			return nil, 0, e
		}
		return fail(ErrValue, "%s is damaged: %v", tagCompressed, err)
	}
	return term, len(data) - in.Len(), nil
}

// zlibReader is what zlib takes bytes from without reading ahead of its end.
type zlibReader interface {
	io.Reader
	io.ByteReader
}

// inflateFrom reads one zlib stream of exactly claim bytes. Memory grows with
// what really comes, from guess on.
func inflateFrom(in zlibReader, claim uint32, guess int, opts *DecodeOptions) ([]byte, error) {
	fail := func(kind error, format string, args ...any) ([]byte, error) {
		return nil, &Error{Tag: tagCompressed, Err: kind, Detail: fmt.Sprintf(format, args...)}
	}
	if int64(claim) > int64(opts.maxInflated()) {
		return fail(ErrLimit, "%s claims %d bytes, the limit is %d", tagCompressed, claim, opts.maxInflated())
	}
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, eof(err)
	}
	var out bytes.Buffer
	out.Grow(min(int(claim), 4*guess))
	n, err := io.Copy(&out, io.LimitReader(z, int64(claim)+1))
	switch {
	case err != nil:
		return nil, eof(err)
	case n != int64(claim):
		return fail(ErrValue, "%s claims %d bytes and holds another number", tagCompressed, claim)
	}
	return out.Bytes(), nil
}

// eof makes every end of input inside a stream an unexpected one.
func eof(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
