package driver

import (
	"fmt"

	"github.com/gentcp/gentcp/portproto"
	"github.com/gentcp/gentcp/sockets"
)

// command is a row of the table of commands: all that a session knows of one.
type command struct {
	name        string
	least, most int // arguments
	about       subject
	mustCall    bool // it makes sense only when it is answered
	asks        bool // it asks for the input of its socket: it ends a loan and counts, see sockets.Socket.Ask

	// run carries it out. s is the socket that it is about; the arguments are at what follows
	// the Id, and have been read to their end if nothing does. An error is one that has not been
	// answered. A run that returns nil has either taken the call on, with newCall, or done all there
	// was to do: then the call is answered with ok.
	run func(d *Session, c *portproto.Command, s *sockets.Socket) error
}

// subject is what a command is about.
type subject uint8

const (
	theSession subject = iota
	aSocket            // the first argument is the Id of one that has not gone
	anySocket          // the same, but one that has gone will do, and is nil
	aSender            // the same, but one that has gone will do while it takes the parts of a send that has begun
)

// commands are all of them, as in PROTOCOL.md section 3.
var commands = []command{
	{name: "hello", least: 1, most: 2, run: (*Session).cmdHello},

	{name: "listen", least: 3, most: 3, mustCall: true, run: (*Session).cmdListen},
	{name: "accept", least: 2, most: 4, about: aSocket, mustCall: true, run: (*Session).cmdAccept},
	{name: "adopt", least: 1, most: 1, about: aSocket, run: (*Session).cmdAdopt},
	{name: "return", least: 1, most: 1, about: aSocket, run: (*Session).cmdReturn},
	{name: "connect", least: 5, most: 5, mustCall: true, run: (*Session).cmdConnect},
	{name: "fdopen", least: 3, most: 3, mustCall: true, run: (*Session).cmdFdOpen},

	{name: "send", least: 2, most: 2, about: aSocket, run: (*Session).cmdSend},
	{name: "send_part", least: 4, most: 4, about: aSender, run: (*Session).cmdSendPart},
	{name: "ready", least: 1, most: 1, about: aSocket, mustCall: true, run: (*Session).cmdReady},
	{name: "recv", least: 3, most: 4, about: aSocket, mustCall: true, asks: true, run: (*Session).cmdRecv},
	{name: "unrecv", least: 2, most: 2, about: aSocket, asks: true, run: (*Session).cmdUnrecv},
	{name: "unread", least: 2, most: 2, about: aSocket, asks: true, run: (*Session).cmdUnread},
	{name: "told", least: 2, most: 2, about: aSocket, run: (*Session).cmdTold},
	{name: "sendfile", least: 4, most: 4, about: aSocket, mustCall: true, run: (*Session).cmdSendFile},
	{name: "sendfile_part", least: 2, most: 2, about: aSocket, run: (*Session).cmdSendFilePart},
	{name: "taken", least: 3, most: 3, about: aSocket, run: (*Session).cmdTaken},
	{name: "settle", least: 3, most: 4, about: aSocket, run: (*Session).cmdSettle}, // asks by itself
	{name: "shutdown", least: 2, most: 2, about: aSocket, run: (*Session).cmdShutdown},
	{name: "close", least: 1, most: 1, about: anySocket, run: (*Session).cmdClose},

	{name: "setopts", least: 2, most: 3, about: aSocket, asks: true, run: (*Session).cmdSetopts},
	{name: "getopts", least: 2, most: 2, about: aSocket, mustCall: true, asks: true, run: (*Session).cmdGetopts},
	{name: "getstat", least: 2, most: 2, about: aSocket, mustCall: true, asks: true, run: (*Session).cmdGetstat},
	{name: "peername", least: 1, most: 1, about: aSocket, mustCall: true, run: (*Session).cmdPeername},
	{name: "sockname", least: 1, most: 1, about: aSocket, mustCall: true, run: (*Session).cmdSockname},
	{name: "info", least: 1, most: 1, about: aSocket, mustCall: true, asks: true, run: (*Session).cmdInfo},
	{name: "sockets", mustCall: true, run: (*Session).cmdSockets},
	{name: "controlling_process", least: 2, most: 2, about: aSocket, run: (*Session).cmdControllingProcess},

	{name: "fault_rule", least: 3, most: 3, run: (*Session).cmdFaultRule},
	{name: "fault_remove", least: 1, most: 1, run: (*Session).cmdFaultRemove},
	{name: "fault_clear", run: (*Session).cmdFaultClear},
	{name: "fault_seed", least: 1, most: 1, run: (*Session).cmdFaultSeed},
	{name: "fault_rules", mustCall: true, run: (*Session).cmdFaultRules},
	{name: "fault_info", mustCall: true, run: (*Session).cmdFaultInfo},
	{name: "fault_log", most: 1, mustCall: true, run: (*Session).cmdFaultLog},
	{name: "kin", least: 2, most: 2, about: aSocket, run: (*Session).cmdKin},

	{name: "ping", mustCall: true, run: (*Session).cmdPing},
	{name: "credit", least: 1, most: 1, run: (*Session).cmdCredit},
	{name: "goodbye", run: (*Session).cmdGoodbye},
	{name: "cancel", least: 1, most: 1, run: (*Session).cmdCancel},
}

var commandByName = map[string]*command{}

var (
	sendRow   *command // found without a look into the map: it is the hot one
	unreadRow *command // the only one that asks for input and never waits
)

func init() {
	for i := range commands {
		commandByName[commands[i].name] = &commands[i]
	}
	sendRow, unreadRow = commandByName["send"], commandByName["unread"]
}

// find finds the row of a command, nil if there is none, and checks the number of its arguments.
func find(c *portproto.Command) (*command, error) {
	if string(c.Name) == "send" && c.Arity == 3 {
		return sendRow, nil
	}
	row, ok := commandByName[string(c.Name)]
	if !ok {
		return nil, bad("unknown command %.64q", c.Name)
	}
	if n := c.Arity - 1; n < row.least || n > row.most {
		return row, bad("%s takes %s, not %d", c.Name, row.arguments(), n)
	}
	return row, nil
}

// arguments says how many arguments a command takes.
func (row *command) arguments() string {
	switch {
	case row.least < row.most:
		return fmt.Sprintf("%d or %d arguments", row.least, row.most)
	case row.most == 0:
		return "no arguments"
	case row.most == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", row.most)
}

// dispatch carries out a command. An error is one that has not been answered.
func (d *Session) dispatch(c *portproto.Command) error {
	row, err := find(c)
	if row != sendRow {
		// What other commands find out, or let others find out, must not be overtaken by sends
		// that wait for each other.
		d.stack.FlushCorked()
	}
	if err != nil {
		return err
	}
	var s *sockets.Socket
	if row.about != theSession {
		if s, err = d.socket(c, row.about); err != nil {
			return err
		}
	}
	if row.asks && d.turn == fresh {
		s.Ask(0, 0) // also without arguments that are right: the node has counted this command
	}
	return d.carryOut(row, c, s)
}

// carryOut carries out a command whose subject has been read.
func (d *Session) carryOut(row *command, c *portproto.Command, s *sockets.Socket) error {
	if row.asks && d.mustWait(row, s) {
		return errHeld
	}
	taken := d.taken
	read := 0
	if row.about != theSession {
		read = 1
	}
	if c.Arity-1 == read {
		if err := c.Args.Finish(); err != nil {
			return err
		}
	}
	if row.mustCall && !c.Called {
		return bad("%s has to be called", c.Name)
	}
	if err := row.run(d, c, s); err != nil {
		return err
	}
	if c.Called && d.taken == taken {
		d.newCall(c).ok()
	}
	return nil
}
