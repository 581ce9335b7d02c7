// Etf shows and converts terms in Erlang's external term format.
//
// Usage:
//
//	etf [-from form] [-to form] [-packet n] [-compress level] [file ...]
//
// It reads terms from the files, or from standard input if there are none (or
// for the file "-"), and writes them to standard output. Forms are
//
//	raw     the bytes of term_to_binary, one term after another
//	hex     the same in base 16, white space does not count
//	base64  the same in base 64, white space does not count
//	erlang  Erlang syntax, each term ended by a dot
//	json    one JSON value a line (only to write)
//
// It reads raw and writes erlang unless told otherwise. With -packet 1, 2 or 4
// each term in bytes has its length before it, as in {packet,N}. So
//
//	etf dump.bin                        show the terms of a file
//	etf -packet 4 -to json capture      show what a port was sent
//	echo g2gCdwFhYQE= | etf -from base64
//	echo '{a,1}.' | etf -from erlang -to hex
//
// In JSON, the atoms undefined, nil and null are null, other atoms and binaries
// of UTF-8 are strings, tuples and lists are arrays. What JSON has not is an
// object with one of the keys $binary (base 64), $improper, $map (pairs, where
// keys would become one) and $term (Erlang syntax). There is no way back.
//
// A term that is damaged is reported on standard error with its place, and the
// exit status is 1; in a stream with -packet the next one is shown all the same.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gentcp/gentcp/etf"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// limits are those of someone who looks at a file, not of a public server.
var limits = &etf.DecodeOptions{Limits: etf.Limits{
	MaxDepth: 10_000, MaxElements: 1 << 27, MaxBig: 1 << 24, MaxInflated: 1 << 30, MaxMessage: 1 << 30,
}}

type command struct {
	from, to string
	framing  etf.Framing
	compress int
	out      *bufio.Writer
	errors   io.Writer
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := command{out: bufio.NewWriter(stdout), errors: stderr}
	flags := flag.NewFlagSet("etf", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.from, "from", "raw", "form to read: raw, hex, base64 or erlang")
	flags.StringVar(&c.to, "to", "erlang", "form to write: erlang, json, raw, hex or base64")
	packet := flags.Int("packet", 0, "bytes of the length before each term: 1, 2 or 4, 0 for none")
	flags.IntVar(&c.compress, "compress", 0, "zlib level to write terms with, 1 to 9, 0 for none")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	c.framing = etf.Framing(*packet)
	switch {
	case !slices.Contains([]string{"raw", "hex", "base64", "erlang"}, c.from):
		return c.usage("cannot read the form %q", c.from)
	case !slices.Contains([]string{"erlang", "json", "raw", "hex", "base64"}, c.to):
		return c.usage("cannot write the form %q", c.to)
	case !slices.Contains([]etf.Framing{etf.Unframed, etf.Packet1, etf.Packet2, etf.Packet4}, c.framing):
		return c.usage("-packet is 0, 1, 2 or 4, not %d", *packet)
	case c.compress < 0 || c.compress > 9:
		return c.usage("-compress is 0 to 9, not %d", c.compress)
	}
	files := flags.Args()
	if len(files) == 0 {
		files = []string{"-"}
	}
	status := 0
	for _, name := range files {
		if !c.file(name, stdin) {
			status = 1
		}
	}
	if err := c.out.Flush(); err != nil {
		fmt.Fprintln(stderr, "etf:", err)
		return 1
	}
	return status
}

func (c *command) usage(format string, args ...any) int {
	fmt.Fprintf(c.errors, "etf: "+format+"\n", args...)
	return 2
}

// file converts one file and reports whether all went well.
func (c *command) file(name string, stdin io.Reader) bool {
	in := stdin
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			fmt.Fprintln(c.errors, "etf:", err)
			return false
		}
		defer f.Close()
		in = f
	}
	switch c.from {
	case "hex":
		in = hex.NewDecoder(&dense{r: in})
	case "base64":
		in = base64.NewDecoder(base64.StdEncoding, &dense{r: in})
	case "erlang":
		return c.erlang(name, in)
	}
	return c.bytes(name, in)
}

func (c *command) erlang(name string, in io.Reader) bool {
	text, err := io.ReadAll(in)
	var terms []etf.Term
	if err == nil {
		terms, err = etf.ParseAll(string(text))
	}
	for _, t := range terms { // those before a mistake, too
		if writeErr := c.write(t); writeErr != nil {
			err = writeErr
			break
		}
	}
	return c.report(name, err)
}

// report says what is wrong with a file, if anything is.
func (c *command) report(name string, err error) bool {
	if err == nil {
		return true
	}
	_ = c.out.Flush() // keep what was written in its place before the report
	fmt.Fprintf(c.errors, "etf: %s: %s\n", name, strings.TrimPrefix(err.Error(), "etf: "))
	return false
}

func (c *command) bytes(name string, in io.Reader) bool {
	dec := limits.NewDecoder(in, c.framing)
	fine := true
	for n := 1; ; n++ {
		where := fmt.Sprintf("%s: term %d", name, n)
		msg, err := dec.Next()
		if err == io.EOF {
			return fine
		}
		if err != nil { // the stream is of no use any more
			return c.report(where, err)
		}
		t, err := limits.Decode(msg)
		if err != nil && c.framing == etf.Unframed {
			return c.report(where, err)
		}
		if err == nil {
			err = c.write(t)
		}
		fine = c.report(where, err) && fine
	}
}

func (c *command) write(t etf.Term) error {
	var err error
	switch c.to {
	case "erlang":
		_, err = c.out.Write(append(etf.AppendFormat(nil, t), ".\n"...))
	case "json":
		_, err = c.out.Write(append(appendJSON(nil, t), '\n'))
	case "raw":
		err = c.encode(c.out, t)
	case "hex":
		if err = c.encode(hex.NewEncoder(c.out), t); err == nil {
			err = c.out.WriteByte('\n')
		}
	case "base64":
		w := base64.NewEncoder(base64.StdEncoding, c.out)
		if err = c.encode(w, t); err == nil {
			_ = w.Close()
			err = c.out.WriteByte('\n')
		}
	}
	return err
}

func (c *command) encode(w io.Writer, t etf.Term) error {
	enc := etf.NewEncoder(w, c.framing)
	enc.Options.Compress = c.compress
	return enc.Encode(t)
}

// dense leaves out white space.
type dense struct{ r io.Reader }

func (d *dense) Read(p []byte) (int, error) {
	for {
		n, err := d.r.Read(p)
		kept := p[:0]
		for _, b := range p[:n] {
			if b > ' ' {
				kept = append(kept, b)
			}
		}
		if len(kept) > 0 || err != nil || len(p) == 0 {
			return len(kept), err
		}
	}
}
