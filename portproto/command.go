package portproto

import (
	"errors"
	"fmt"

	"github.com/gentcp/gentcp/etf"
)

// Command is one command as it came: its envelope is read, its arguments are not. Slices
// point into the frame.
type Command struct {
	Called bool
	Owned  bool
	Tag    etf.RawTerm // of a call
	Owner  etf.RawTerm // of an owned call
	Name   []byte
	Arity  int         // of the command's tuple, its name included; 1 for an atom
	Args   etf.Scanner // at the first argument
}

// ErrNoCommand is a term that is no command.
var ErrNoCommand = errors.New("portproto: neither {call, Tag, Command}, {call, Tag, Owner, Command} nor a command")

// ReadCommand reads the envelope of the command in a frame. After an error Called and Tag
// still tell whether, and to whom, the error can be answered.
func ReadCommand(frame []byte) (Command, error) {
	var c Command
	s := etf.NewScanner(frame)
	s.Version()
	if err := c.name(&s); err != nil {
		return c, err
	}
	if string(c.Name) != "call" || c.Arity < 3 || c.Arity > 4 {
		c.Args = s
		return c, nil
	}
	c.Tag = s.Raw()
	owned := c.Arity == 4
	if owned {
		c.Owner = s.Raw()
	}
	if err := s.Err(); err != nil {
		return c, fmt.Errorf("portproto: read a call: %w", err)
	}
	c.Called, c.Owned = true, owned
	if err := c.name(&s); err != nil {
		return c, err
	}
	c.Args = s
	return c, nil
}

// Inner reads the head of a command that is the last argument of this one, and takes its place.
func (c *Command) Inner() error {
	s := c.Args
	if err := c.name(&s); err != nil {
		return err
	}
	c.Args = s
	return nil
}

// name reads the head of a command: an atom, or a tuple that begins with one.
func (c *Command) name(s *etf.Scanner) error {
	c.Arity = 1
	if s.Kind() == etf.KindTuple {
		c.Arity = s.TupleHeader()
		if c.Arity == 0 && s.Err() == nil {
			return ErrNoCommand
		}
	}
	if s.Err() == nil && s.Kind() != etf.KindAtom {
		if s.Kind() == etf.KindInvalid {
			s.Skip()
			return fmt.Errorf("portproto: read a command: %w", s.Err())
		}
		return ErrNoCommand
	}
	c.Name = s.Atom()
	if err := s.Err(); err != nil {
		return fmt.Errorf("portproto: read a command: %w", err)
	}
	return nil
}
