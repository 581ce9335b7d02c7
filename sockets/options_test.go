package sockets

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gentcp/gentcp/sockets/packet"
)

// optionRow is what the test knows of an option, beside the table itself.
type optionRow struct {
	initial any    // Int of the value that a new connected TCP socket gives; absent: left out; nil: not checked
	set     Option // a value to set, and
	get     any    // the Int that is read then (nil: the same; absent: left out)
}

type absent struct{}

// optionRows has a row for each row of the table, so that no option is without a test.
var optionRows = map[string]optionRow{
	"active":              {initial: 0, set: Option{Active: ActiveN, Int: 7}},
	"mode":                {initial: 0, set: Option{Int: 1}},
	"packet":              {initial: int(packet.Raw), set: Option{Int: int64(packet.Four)}},
	"packet_size":         {initial: 0, set: Option{Int: 77}},
	"line_delimiter":      {set: Option{Int: 'x'}},
	"header":              {initial: 0, set: Option{Int: 3}},
	"deliver":             {initial: 0, set: Option{Int: 1}},
	"buffer":              {initial: 1460, set: Option{Int: 0}, get: 1},
	"exit_on_close":       {initial: 1, set: Option{Int: 0}},
	"show_econnreset":     {initial: 0, set: Option{Int: 1}},
	"send_timeout":        {initial: -1, set: Option{Int: 1000}},
	"send_timeout_close":  {initial: 0, set: Option{Int: 1}},
	"delay_send":          {initial: 0, set: Option{Int: 1}},
	"high_watermark":      {initial: 8192, set: Option{Int: 100000}},
	"low_watermark":       {initial: 4096, set: Option{Int: -5}, get: 0},
	"high_msgq_watermark": {initial: 8192, set: Option{Int: -7}, get: 2147483647},
	"low_msgq_watermark":  {initial: 4096, set: Option{Int: 1}},
	"debug":               {initial: 0, set: Option{Int: 1}},
	"read_ahead":          {initial: 1, set: Option{Int: 0}},
	"non_block_send":      {initial: 0, set: Option{Int: 1}, get: 0},
	"netns":               {initial: absent{}},
	"read_packets":        {initial: absent{}, set: Option{Int: 5}, get: absent{}},
	"add_membership":      {set: Option{Int: 1}},
	"drop_membership":     {set: Option{Int: 1}},
	"pktoptions":          {},
	"raw":                 {},
	"multicast_if":        {initial: 0},
	"exclusiveaddruse":    {initial: 0, set: Option{Int: 1}, get: 0},
	"linger":              {initial: 0, set: Option{Int: 1, Int2: 4}},
	"recbuf":              {},
	"bind_to_device":      {},
	"backlog":             {set: Option{Int: 5}},
	"fd":                  {set: Option{Int: 5}},
	"gentcp_fault":        {initial: 0},
	"gentcp_kin":          {},
	"protocol":            {set: Option{Int: 1}},
	"reuseaddr":           {initial: 0, set: Option{Int: 1}},
	"reuseport":           {initial: 0, set: Option{Int: 1}},
	"reuseport_lb":        {initial: 0, set: Option{Int: 1}},
	"keepalive":           {initial: 0, set: Option{Int: 1}},
	"dontroute":           {initial: 0, set: Option{Int: 1}},
	"broadcast":           {initial: 0, set: Option{Int: 1}},
	"sndbuf":              {},
	"priority":            {initial: 0, set: Option{Int: 3}},
	"tos":                 {initial: 0, set: Option{Int: 16}},
	"ttl":                 {set: Option{Int: 33}},
	"recvtos":             {initial: 0, set: Option{Int: 1}},
	"recvttl":             {initial: 0, set: Option{Int: 1}},
	"tclass":              {initial: absent{}},
	"recvtclass":          {initial: absent{}},
	"ipv6_v6only":         {initial: absent{}},
	"nodelay":             {initial: 0, set: Option{Int: 1}},
	"nopush":              {initial: 0, set: Option{Int: 1}},
	"keepcnt":             {set: Option{Int: 4}},
	"keepidle":            {set: Option{Int: 70}},
	"keepintvl":           {set: Option{Int: 20}},
	"user_timeout":        {initial: 0, set: Option{Int: 3000}},
	"multicast_ttl":       {initial: 1, set: Option{Int: 5}, get: 1}, // streams refuse it, silently
	"multicast_loop":      {initial: 1, set: Option{Int: 0}},
}

func (r *optionRow) settable() bool {
	return r.set.Int != 0 || r.get != nil || r.set.Active != 0 || r.initial == 1
}

func get(t testing.TB, w *world, s *Socket, name OptionName) (o Option, ok bool) {
	t.Helper()
	w.do(func() {
		var err error
		o, ok, err = s.GetOption(Option{Name: name})
		require.NoError(t, err)
	})
	return o, ok
}

// TestOptionTable walks through all options: default, set and get, a socket of another
// family, and one that has gone.
func TestOptionTable(t *testing.T) {
	w := newWorld(t, Config{})
	for i := range table {
		name := OptionName(i)
		row, known := optionRows[name.String()]
		t.Run(name.String(), func(t *testing.T) {
			require.True(t, known, "the test has no row for it")
			s, _ := w.pair(Inet, passive)
			readable := table[i].where&ForGet != 0 && name != optRaw // which needs more than a name

			if row.initial != nil && readable {
				o, ok := get(t, w, s, name)
				if row.initial == (absent{}) {
					require.False(t, ok, "left out")
				} else {
					require.True(t, ok)
					require.Equal(t, int64(row.initial.(int)), o.Int, "default")
				}
			}
			if row.settable() {
				row.set.Name = name
				require.NoError(t, w.set(s, row.set))
				want := row.set
				if n, other := row.get.(int); other {
					want.Int = int64(n)
				}
				if readable {
					o, ok := get(t, w, s, name)
					if row.get == (absent{}) {
						require.False(t, ok)
					} else {
						require.Equal(t, want, o)
					}
				}
			}

			w.do(s.CloseNow)
			w.do(func() {
				_, ok, err := s.GetOption(Option{Name: name})
				assert.False(t, ok)
				assert.ErrorIs(t, err, ErrClosed)
				assert.ErrorIs(t, s.SetOptions([]Option{row.set}), ErrClosed)
			})
		})
	}
	require.Len(t, optionRows, len(table), "rows for options that there are not")
	require.LessOrEqual(t, len(table), 64, "kernelSet has a bit for each")
}

func TestOptionsAreFoundByNameCallAndRelease(t *testing.T) {
	for i := range table {
		n, ok := OptionByName([]byte(table[i].name), table[i].where, 0)
		require.True(t, ok)
		require.Equal(t, OptionName(i), n)
		require.Equal(t, table[i].typ, n.Type())
	}
	for _, row := range []struct {
		name    string
		where   Where
		release int
		ok      bool
	}{
		{"nodelay", ForConnect, 25, true},
		{"line_delimiter", ForListen, 0, false},
		{"line_delimiter", ForGet, 0, false},
		{"line_delimiter", ForConnect | ForListen, 0, true},
		{"pktoptions", ForSet, 0, false},
		{"ipv6_v6only", ForConnect, 0, false},
		{"nopush", ForListen, 0, false},
		{"backlog", ForConnect, 0, false},
		{"fd", ForSet, 0, false},
		{"read_ahead", ForSet, 25, false},
		{"read_ahead", ForSet, 27, true},
		{"reuseport", ForListen, 25, false},
		{"user_timeout", ForSet, 27, false},
		{"sctp_nodelay", ForSet, 0, false},
		{"", ForSet, 0, false},
	} {
		_, ok := OptionByName([]byte(row.name), row.where, row.release)
		require.Equal(t, row.ok, ok, "%+v", row)
	}
}

// TestOptionsOfAnotherFamily: what a family does not have is refused or ignored when
// set, and left out when read.
func TestOptionsOfAnotherFamily(t *testing.T) {
	w := newWorld(t, Config{})
	in, _ := w.pair(Inet, passive)
	in6, _ := w.pair(Inet6, passive)
	local, _ := w.pair(Local, passive)
	for _, row := range []struct {
		s    *Socket
		set  Option
		err  error
		left bool // out of what is read
	}{
		{in, opt("tclass", 8), unix.EINVAL, true},
		{in, opt("recvtclass", 1), unix.EINVAL, true},
		{in, opt("ipv6_v6only", 1), unix.EINVAL, true},
		{in6, opt("tclass", 8), nil, false},
		{in6, opt("recvtclass", 1), nil, false},
		{local, opt("tos", 8), unix.EINVAL, true},
		{local, opt("ttl", 8), unix.EINVAL, true},
		{local, opt("recvtos", 1), unix.EINVAL, true},
		{local, opt("nodelay", 1), nil, true},
		{local, opt("nopush", 1), nil, true},
		{local, opt("keepalive", 1), nil, false},
		{local, opt("reuseaddr", 1), nil, false},
		{local, opt("show_econnreset", 1), nil, true},
	} {
		t.Run(row.s.Family().String()+"/"+row.set.Name.String(), func(t *testing.T) {
			require.Equal(t, row.err, w.set(row.s, row.set))
			o, ok := get(t, w, row.s, row.set.Name)
			require.Equal(t, row.left, !ok)
			if ok {
				require.Equal(t, row.set.Int, o.Int)
			}
		})
	}
}

func TestOptionsAreSetFromLastToFirst(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.pair(Inet, passive)
	for _, row := range []struct {
		name string
		set  []Option
		want Option
	}{
		{"the first one stays", []Option{opt("nodelay", 1), opt("nodelay", 0)}, opt("nodelay", 1)},
		{"a low mark raises the high one", []Option{opt("low_watermark", 300), opt("high_watermark", 50)}, opt("high_watermark", 300)},
		{"and itself stays", []Option{opt("low_watermark", 300), opt("high_watermark", 50)}, opt("low_watermark", 300)},
		{"a high mark lowers the low one", []Option{opt("high_watermark", 10)}, opt("low_watermark", 10)},
		{"a count is forgotten", []Option{passive, optN(10)}, passive},
		{"message queue marks push each other", []Option{opt("low_msgq_watermark", 9999)}, opt("high_msgq_watermark", 9999)},
		{"in both directions", []Option{opt("high_msgq_watermark", 7)}, opt("low_msgq_watermark", 7)},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.NoError(t, w.set(s, row.set...))
			o, ok := get(t, w, s, row.want.Name)
			require.True(t, ok)
			require.Equal(t, row.want, o)
		})
	}
	w.do(func() {})
	w.expectNone(s)
}

func TestRefusedOptionKeepsWhatWasSetBefore(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.pair(Inet, passive)
	require.ErrorIs(t, w.set(s, opt("header", 9), opt("ttl", 0), opt("packet_size", 5)), unix.EINVAL)
	w.do(func() {
		require.Equal(t, uint32(5), s.framer.Size, "applied before the refused one")
		require.Equal(t, 0, s.opts.header, "not reached")
	})
	for _, o := range []Option{opt("ttl", 256), opt("high_msgq_watermark", 0), opt("low_msgq_watermark", -1),
		{Name: optBindToDevice, Bytes: []byte("no such device")}} {
		require.ErrorIs(t, w.set(s, o), unix.EINVAL, o.Name.String())
	}
	// The kernel's refusals of these are nobody's business.
	for _, o := range []Option{opt("sndbuf", -1), opt("nodelay", 7), {Name: optRaw, Int: 1, Int2: 9999, Bytes: []byte{1}}} {
		require.NoError(t, w.set(s, o), o.Name.String())
	}
}

// A refusal behind {active, once} must not leave an armed socket that nobody looks at.
func TestRefusedOptionBehindActiveLeavesTheSocketAlive(t *testing.T) {
	overTCP(t, func(t *testing.T, w *world, f Family) {
		s, peer := w.withPeer(f, passive)
		write(t, peer, "there before")
		w.arrived(s, 12)
		require.ErrorIs(t, w.set(s, opt("priority", -1), optN(0), opt("ipv6_v6only", 1), activeOnce), unix.EINVAL)
		w.expect(s, "packet there before")
	})
}

func TestTypeOfServiceAndPriorityAreIndependent(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.pair(Inet, passive)
	require.NoError(t, w.set(s, opt("priority", 3)))
	require.NoError(t, w.set(s, opt("tos", 16)))
	o, _ := get(t, w, s, byName["priority"])
	require.Equal(t, int64(3), o.Int)
	o, _ = get(t, w, s, byName["tos"])
	require.Equal(t, int64(16), o.Int)
}

func TestReceiveBufferRaisesTheBuffer(t *testing.T) {
	w := newWorld(t, Config{})
	buffer := func(s *Socket) int64 { o, _ := get(t, w, s, optBuffer); return o.Int }
	s, _ := w.pair(Inet, passive)
	require.NoError(t, w.set(s, opt("recbuf", 50000)))
	require.Equal(t, int64(50000), buffer(s), "what was asked for, not what the kernel made of it")
	require.NoError(t, w.set(s, opt("recbuf", 3000)))
	require.Equal(t, int64(50000), buffer(s), "never lowers it")
	require.NoError(t, w.set(s, opt("buffer", 2000)))
	require.NoError(t, w.set(s, opt("recbuf", 60000)))
	require.Equal(t, int64(2000), buffer(s), "the user's own choice stays")
}

func TestRawOptions(t *testing.T) {
	w := newWorld(t, Config{})
	s, _ := w.pair(Inet, passive)
	value := binary.NativeEndian.AppendUint32(nil, 1)
	require.NoError(t, w.set(s, Option{Name: optRaw, Int: unix.SOL_SOCKET, Int2: unix.SO_KEEPALIVE, Bytes: value}))
	want := Option{Name: optRaw, Int: unix.SOL_SOCKET, Int2: unix.SO_KEEPALIVE, Bytes: value}
	read := func(o Option) (Option, bool, error) {
		var ok bool
		var err error
		w.do(func() { o, ok, err = s.GetOption(o) })
		return o, ok, err
	}
	o, ok, err := read(RawRequest(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 4))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, want, o)
	o, ok, err = read(Option{Name: optRaw, Int: unix.SOL_SOCKET, Int2: unix.SO_KEEPALIVE, Bytes: make([]byte, 4)})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, want, o)
	_, ok, err = read(RawRequest(unix.SOL_SOCKET, 9999, 4))
	require.NoError(t, err)
	require.False(t, ok, "unknown: left out")
	_, _, err = read(RawRequest(unix.SOL_SOCKET, unix.SO_KEEPALIVE, maxRawOption+1))
	require.ErrorIs(t, err, unix.EINVAL)
	_, _, err = read(Option{Name: optRaw})
	require.ErrorIs(t, err, unix.EINVAL)
	_, _, err = read(Option{Name: optRaw, Bytes: make([]byte, maxRawOption+1)})
	require.ErrorIs(t, err, unix.EINVAL)
}

func TestPacketOptionsOfTheLastSegments(t *testing.T) {
	w := newWorld(t, Config{})
	for f, asked := range map[Family][]Option{
		Inet:  {opt("recvtos", 1), opt("recvttl", 1)},
		Inet6: {opt("recvtclass", 1)},
	} {
		s, peer := w.withPeer(f, append(asked, passive)...)
		write(t, peer, "x")
		w.arrived(s, 1)
		o, ok := get(t, w, s, optPktoptions)
		require.True(t, ok)
		names := []string{}
		for _, p := range o.Pkt {
			names = append(names, p.Name.String())
		}
		slices.Sort(names)
		require.Equal(t, map[Family][]string{Inet: {"tos", "ttl"}, Inet6: {"tclass"}}[f], names)
	}
	s, _ := w.pair(Local, passive)
	w.do(func() {
		_, _, err := s.GetOption(Option{Name: optPktoptions})
		require.ErrorIs(t, err, unix.EINVAL)
	})
}

// TestAcceptedSocketsInherit what the listener has when the connection is handed out.
func TestAcceptedSocketsInherit(t *testing.T) {
	overFamilies(t, func(t *testing.T, w *world, f Family) {
		l, at := w.listen(f)
		values := []Option{
			opt("mode", 1), mode(packet.Two), opt("packet_size", 99), opt("header", 2), opt("deliver", 1),
			opt("buffer", 4321), opt("exit_on_close", 0), opt("send_timeout", 77), opt("send_timeout_close", 1),
			opt("delay_send", 1), opt("high_watermark", 999), opt("low_watermark", 99),
			opt("high_msgq_watermark", 888), opt("low_msgq_watermark", 88), opt("read_ahead", 0),
			opt("keepalive", 1), linger(1, 5), opt("priority", 2), optN(3),
		}
		only := map[Family][]Option{
			Inet:  {opt("tos", 8), opt("ttl", 44), opt("recvtos", 1), opt("recvttl", 1), opt("nodelay", 1), econnreset},
			Inet6: {opt("tclass", 8), opt("recvtclass", 1), opt("nodelay", 1), econnreset},
		}
		values = append(values, only[f]...)
		client := w.connect(f, at, passive)
		w.until("the connection is in the backlog", func() bool { return l.canRead })
		// Changes that come while it waits there count.
		require.NoError(t, w.set(l, append(values, opt("debug", 1), opt("line_delimiter", 'x'))...))
		s := w.startAccept(l, -1, false).socket()
		for _, want := range values {
			o, ok := get(t, w, s, want.Name)
			require.True(t, ok, want.Name.String())
			require.Equal(t, want, o, want.Name.String())
		}
		o, _ := get(t, w, s, optDebug)
		require.Zero(t, o.Int, "debug is not inherited")
		require.Equal(t, byte('\n'), on(w, func() byte { return s.framer.Delimiter }))
		require.True(t, on(w, s.Accepted))
		require.False(t, on(w, client.Accepted))
		require.Equal(t, 3, on(w, func() int { return l.opts.active.count }), "copied, not consumed")
	})
}
