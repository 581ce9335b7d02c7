package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"
)

// pipe is the peer as the program of a bare port, which measures what the pipe alone allows:
// "pipe-sink" reads stdin and forgets it, "pipe-source SIZE MS" writes frames of SIZE bytes, each with
// its length in four bytes before it, to stdout for MS milliseconds.
func pipe(args []string) error {
	enlargePipe(os.Stdin)
	enlargePipe(os.Stdout)
	switch {
	case args[0] == "pipe-sink" && len(args) == 1:
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{os.Stdin}, make([]byte, transferSize))
		return err
	case args[0] == "pipe-source" && len(args) == 3:
		numbers, err := integers(args[1], args[2])
		if err != nil {
			return err
		}
		frame := append(binary.BigEndian.AppendUint32(nil, uint32(numbers[0])), make([]byte, numbers[0])...)
		for end := time.Now().Add(time.Duration(numbers[1]) * time.Millisecond); time.Now().Before(end); {
			if _, err := os.Stdout.Write(frame); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("unknown arguments %q", args)
}
