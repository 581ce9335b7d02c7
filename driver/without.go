package driver

import (
	"fmt"
	"strings"
)

// Without says which of the techniques that make a session fast are left out, for the bench to
// show what each of them brings.
type Without struct {
	Credit   bool // casts of send, in a window that is reported
	Inline   bool // a send is written by whoever has read its command
	Coalesce bool // small sends of one socket share a system call
	Batch    bool // messages share frames and system calls
	Splice   bool // bulk data is moved within the kernel
	Pipes    bool // stdin and stdout are enlarged
	Ahead    bool // packets are sent before they are asked for
	Lines    bool // the node parses http packets
}

// technique is a field of Without and its name on a command line.
type technique struct {
	name string
	out  *bool
}

func (w *Without) techniques() []technique {
	return []technique{
		{"credit", &w.Credit}, {"inline", &w.Inline}, {"coalesce", &w.Coalesce}, {"batch", &w.Batch}, {"splice", &w.Splice},
		{"pipes", &w.Pipes}, {"ahead", &w.Ahead}, {"lines", &w.Lines},
	}
}

// Set takes names with commas between, as a flag.Value.
func (w *Without) Set(names string) error {
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, t := range w.techniques() {
			if t.name == name {
				*t.out, found = true, true
			}
		}
		if !found {
			return fmt.Errorf("no technique is called %q, but %s", name, Techniques())
		}
	}
	return nil
}

func (w *Without) String() string {
	var names []string
	for _, t := range w.techniques() {
		if *t.out {
			names = append(names, t.name)
		}
	}
	return strings.Join(names, ",")
}

// Techniques are the names that Set takes, as a text.
func Techniques() string {
	var all Without
	for _, t := range all.techniques() {
		*t.out = true
	}
	return strings.ReplaceAll(all.String(), ",", ", ")
}
