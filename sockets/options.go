package sockets

import (
	"math"
	"time"

	"github.com/gentcp/gentcp/sockets/fault"
	"github.com/gentcp/gentcp/sockets/packet"
)

// ValueType is the type of an option's value.
type ValueType uint8

// The types of option values, and the fields of Option that hold them.
const (
	BoolValue       ValueType = iota // Int: 0 or 1
	IntValue                         // Int
	UintValue                        // Int, not negative
	TimeValue                        // Int in milliseconds, -1 for infinity
	LingerValue                      // Int: 0 or 1, Int2: seconds
	ActiveValue                      // Active, and Int for ActiveN
	PacketValue                      // Int: a packet.Mode
	ModeValue                        // Int: 0 list, 1 binary
	DeliverValue                     // Int: 0 term, 1 port
	BytesValue                       // Bytes
	PathValue                        // Bytes
	RawValue                         // Int: level, Int2: option, Bytes
	MifValue                         // Int: the address, or the index, of an interface
	ProtocolValue                    // Int: 0 TCP, 1 multipath TCP
	PktValue                         // Pkt; only read
	IgnoredValue                     // Int; accepted without effect, never read
	MembershipValue                  // checked and ignored: groups are for datagrams
	FaultsValue                      // Faults
	KinValue                         // Kin; only set
)

// Where says in which calls an option may stand.
type Where uint8

// The calls that take options.
const (
	ForConnect Where = 1 << iota
	ForListen
	ForSet
	ForGet
)

const (
	everywhere = ForConnect | ForListen | ForSet | ForGet
	setAndGet  = ForSet | ForGet
)

// OptionName is an index into the table of options.
type OptionName uint8

// Option is an option and its value.
type Option struct {
	Name   OptionName
	Int    int64
	Int2   int64
	Bytes  []byte
	Active ActiveMode
	Pkt    []Option
	Faults *fault.Own
	Kin    [][]byte
}

// The options whose names the code has to know. The kernel's are in the table only.
const (
	optActive OptionName = iota
	optMode
	optPacket
	optPacketSize
	optLineDelimiter
	optHeader
	optDeliver
	optBuffer
	optExitOnClose
	optShowEconnreset
	optSendTimeout
	optSendTimeoutClose
	optDelaySend
	optHighWatermark
	optLowWatermark
	optHighMsgqWatermark
	optLowMsgqWatermark
	optDebug
	optReadAhead
	optNonBlockSend
	optNetns
	optReadPackets
	optAddMembership
	optDropMembership
	optPktoptions
	optRaw
	optMulticastIf
	optExclusiveAddrUse
	optLinger
	optRecbuf
	optBindToDevice
	optBacklog
	optFd
	optFaults
	optKin
	optProtocol
	firstKernelOption
)

// row is what is known of an option.
type row struct {
	name  string
	typ   ValueType
	where Where
	since int // the first OTP release that has it, 0 for all
	// The kernel's option. told: a refusal by the kernel is reported to the caller;
	// inet_drv.c keeps quiet about the others for old times' sake.
	level, opt int
	told       bool
	// families that pass the option on from a listener when a connection is accepted,
	// whatever the kernel does; nil is none.
	inherited []Family
}

var allFamilies = []Family{Inet, Inet6, Local}

// table has a row for each option, the ones of the constants above first. The
// columns are those of inet:setopts/2, and inet.erl's connect_options/0,
// listen_options/0 and prim_inet.erl's type_opt/2 are their source.
var table = append([]row{
	optActive:            {name: "active", typ: ActiveValue, where: everywhere},
	optMode:              {name: "mode", typ: ModeValue, where: everywhere},
	optPacket:            {name: "packet", typ: PacketValue, where: everywhere},
	optPacketSize:        {name: "packet_size", typ: UintValue, where: everywhere},
	optLineDelimiter:     {name: "line_delimiter", typ: IntValue, where: ForConnect | ForSet},
	optHeader:            {name: "header", typ: UintValue, where: everywhere},
	optDeliver:           {name: "deliver", typ: DeliverValue, where: everywhere},
	optBuffer:            {name: "buffer", typ: IntValue, where: everywhere},
	optExitOnClose:       {name: "exit_on_close", typ: BoolValue, where: everywhere},
	optShowEconnreset:    {name: "show_econnreset", typ: BoolValue, where: everywhere},
	optSendTimeout:       {name: "send_timeout", typ: TimeValue, where: everywhere},
	optSendTimeoutClose:  {name: "send_timeout_close", typ: BoolValue, where: everywhere},
	optDelaySend:         {name: "delay_send", typ: BoolValue, where: everywhere},
	optHighWatermark:     {name: "high_watermark", typ: IntValue, where: everywhere},
	optLowWatermark:      {name: "low_watermark", typ: IntValue, where: everywhere},
	optHighMsgqWatermark: {name: "high_msgq_watermark", typ: IntValue, where: everywhere},
	optLowMsgqWatermark:  {name: "low_msgq_watermark", typ: IntValue, where: everywhere},
	optDebug:             {name: "debug", typ: BoolValue, where: everywhere},
	optReadAhead:         {name: "read_ahead", typ: BoolValue, where: everywhere, since: 26},
	optNonBlockSend:      {name: "non_block_send", typ: BoolValue, where: setAndGet, since: 26},
	optNetns:             {name: "netns", typ: PathValue, where: everywhere},
	optReadPackets:       {name: "read_packets", typ: IgnoredValue, where: setAndGet},
	optAddMembership:     {name: "add_membership", typ: MembershipValue, where: ForSet},
	optDropMembership:    {name: "drop_membership", typ: MembershipValue, where: ForSet},
	optPktoptions:        {name: "pktoptions", typ: PktValue, where: ForGet},
	optRaw:               {name: "raw", typ: RawValue, where: everywhere},
	optMulticastIf:       {name: "multicast_if", typ: MifValue, where: setAndGet},
	optExclusiveAddrUse:  {name: "exclusiveaddruse", typ: BoolValue, where: everywhere, since: 26},
	optLinger:            {name: "linger", typ: LingerValue, where: everywhere, inherited: allFamilies},
	optRecbuf:            {name: "recbuf", typ: IntValue, where: everywhere, level: solSocket, opt: soRcvbuf},
	optBindToDevice:      {name: "bind_to_device", typ: BytesValue, where: everywhere, told: true},
	optBacklog:           {name: "backlog", typ: IntValue, where: ForListen},
	optFd:                {name: "fd", typ: UintValue, where: ForConnect | ForListen},
	optFaults:            {name: "gentcp_fault", typ: FaultsValue, where: everywhere},
	optKin:               {name: "gentcp_kin", typ: KinValue, where: ForConnect | ForListen | ForSet},
	optProtocol:          {name: "protocol", typ: ProtocolValue, where: ForConnect | ForListen},
}, kernelOptions()...)

var byName = func() map[string]OptionName {
	m := make(map[string]OptionName, len(table))
	for i := range table {
		m[table[i].name] = OptionName(i)
	}
	return m
}()

// OptionByName finds an option that the given OTP release has (0: the newest) and
// that may stand in a call.
func OptionByName(name []byte, w Where, release int) (OptionName, bool) {
	n, ok := byName[string(name)]
	if !ok || table[n].where&w == 0 || release > 0 && table[n].since > release {
		return 0, false
	}
	return n, true
}

func (n OptionName) String() string { return table[n].name }

// Type is the type of the option's value.
func (n OptionName) Type() ValueType { return table[n].typ }

// The options that have short forms, or that commands treat on their own.
const (
	ActiveOption   = optActive
	ModeOption     = optMode
	RawOption      = optRaw
	BacklogOption  = optBacklog
	FdOption       = optFd
	NetnsOption    = optNetns
	FaultsOption   = optFaults
	ProtocolOption = optProtocol

	SendTimeoutOption = optSendTimeout
)

// WithPacket is the option packet.
func WithPacket(m packet.Mode) Option { return Option{Name: optPacket, Int: int64(m)} }

// WithActive is the option active, but for ActiveN.
func WithActive(m ActiveMode) Option { return Option{Name: optActive, Active: m} }

// WithActiveN is the option {active, N}: n more packets.
func WithActiveN(n int) Option { return Option{Name: optActive, Active: ActiveN, Int: int64(n)} }

// milliseconds converts the value of a time option: one that is too long for a Duration is the longest, negative is no limit.
func milliseconds(ms int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond
}

// WithSendTimeout is the option send_timeout, in whole milliseconds. Negative is no limit.
func WithSendTimeout(d time.Duration) Option {
	ms := int64(-1)
	if d >= 0 {
		ms = d.Milliseconds()
	}
	return Option{Name: optSendTimeout, Int: ms}
}

const (
	defaultBuffer        = packet.DefaultBuffer
	defaultHighWatermark = 8192
	defaultLowWatermark  = 4096
	defaultHighMsgq      = 8192
	defaultLowMsgq       = 4096
	maxMsgqWatermark     = 1<<31 - 1
	defaultBacklog       = 5
)

// options are the values that this package keeps itself.
type options struct {
	active           active
	binary           bool
	deliverPort      bool
	header           int
	buffer           int
	bufferSet        bool // by the user of this socket: recbuf leaves it alone
	capped           bool // buffer has been set here or on the listener: raw chunks are cut
	exitOnClose      bool
	showEconnreset   bool
	sendTimeout      int64 // milliseconds, -1 is infinity
	sendTimeoutClose bool
	delaySend        bool
	high, low        int
	highMsgq         int64
	lowMsgq          int64
	debug            bool
	noReadAhead      bool
	lingerZero       bool
	netns            string
	netnsSet         bool
}

func defaultOptions(buffer int) options {
	if buffer <= 0 {
		buffer = defaultBuffer
	}
	return options{
		active: active{mode: Active}, buffer: buffer, exitOnClose: true, sendTimeout: -1,
		high: defaultHighWatermark, low: defaultLowWatermark,
		highMsgq: defaultHighMsgq, lowMsgq: defaultLowMsgq,
	}
}
