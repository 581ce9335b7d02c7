package driver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/sockets"
	"github.com/gentcp/gentcp/sockets/packet"
)

func scan(t testing.TB, text string) etf.Scanner {
	term, err := etf.Parse(text)
	require.NoError(t, err, text)
	b, err := etf.Append(nil, term)
	require.NoError(t, err, text)
	return etf.NewScanner(b)
}

func TestReadOption(t *testing.T) {
	type want struct {
		i, i2  int64
		bytes  string
		active sockets.ActiveMode
	}
	for text, w := range map[string]want{
		"list":   {},
		"binary": {i: 1},

		"{nodelay, true}":                        {i: 1},
		"{nodelay, false}":                       {},
		"{sndbuf, 4096}":                         {i: 4096},
		"{sndbuf, -1}":                           {i: -1},
		"{sndbuf, 4294967297}":                   {i: 4294967297},
		"{buffer, 36893488147419103239}":         {i: 7},        // 2^65 + 7: the low bits
		"{buffer, -36893488147419103239}":        {i: -7},       // the same below 0
		"{buffer, -36893488147419103232}":        {i: -1 << 32}, // negative still
		"{packet_size, 9223372036854775807}":     {i: 1<<63 - 1},
		"{header, 0}":                            {},
		"{send_timeout, infinity}":               {i: -1},
		"{send_timeout, 0}":                      {},
		"{send_timeout, 5000}":                   {i: 5000},
		"{linger, {true, 5}}":                    {i: 1, i2: 5},
		"{linger, {false, -1}}":                  {i2: -1},
		"{active, true}":                         {i: 0, active: sockets.Active},
		"{active, false}":                        {active: sockets.Passive},
		"{active, once}":                         {active: sockets.Once},
		"{active, 32767}":                        {i: 32767, active: sockets.ActiveN},
		"{active, -32768}":                       {i: -32768, active: sockets.ActiveN},
		"{mode, binary}":                         {i: 1},
		"{mode, list}":                           {},
		"{deliver, port}":                        {i: 1},
		"{deliver, term}":                        {},
		"{packet, 0}":                            {i: int64(packet.Raw)},
		"{packet, 4}":                            {i: int64(packet.Four)},
		"{packet, raw}":                          {i: int64(packet.Raw)},
		"{packet, httph_bin}":                    {i: int64(packet.HTTPHBin)},
		"{packet, ssl_tls}":                      {i: int64(packet.SSLTLS)},
		"{netns, \"/run/netns/a\"}":              {bytes: "/run/netns/a"},
		"{netns, <<\"/run/netns/a\">>}":          {bytes: "/run/netns/a"},
		"{bind_to_device, <<\"lo\">>}":           {bytes: "lo"},
		"{raw, 6, 1, <<1, 0, 0, 0>>}":            {i: 6, i2: 1, bytes: "\x01\x00\x00\x00"},
		"{raw, {6, 1, <<1, 0, 0, 0>>}}":          {i: 6, i2: 1, bytes: "\x01\x00\x00\x00"},
		"{multicast_if, {127, 0, 0, 1}}":         {i: 127<<24 + 1},
		"{multicast_if, 3}":                      {i: 3},
		"{read_packets, 5}":                      {i: 5},
		"{line_delimiter, 10}":                   {i: 10},
		"{high_watermark, 36893488147419103239}": {i: 7},
	} {
		s := scan(t, text)
		o, ok := new(Session).readOption(s.Raw(), sockets.ForSet)
		assert.True(t, ok, text)
		assert.Equal(t, w, want{o.Int, o.Int2, string(o.Bytes), o.Active}, text)
		name, _, _ := strings.Cut(strings.Trim(text, "{}"), ",")
		if strings.HasPrefix(text, "{") {
			assert.Equal(t, name, o.Name.String(), text)
		}
	}
}

func TestReadOptionRefuses(t *testing.T) {
	for _, text := range []string{
		"fast", "1", "\"nodelay\"", "{}", "{nodelay}", "{nodelay, true, true}", "{<<\"nodelay\">>, true}", "[nodelay, true]",
		"{no_such_option, 1}", "{ip, {127, 0, 0, 1}}", "{port, 80}", "{tcp_module, gen_tcp}", "{backlog, 5}", "{fd, 3}", "{pktoptions, []}",
		"{nodelay, 1}", "{nodelay, yes}", "{nodelay, <<\"true\">>}",
		"{sndbuf, big}", "{sndbuf, 1.0}", "{sndbuf, []}", "{packet_size, -1}", "{header, -5}", "{header, -36893488147419103239}",
		"{send_timeout, -1}", "{send_timeout, never}", "{send_timeout, 1.5}",
		"{linger, true}", "{linger, {true}}", "{linger, {1, 1}}", "{linger, {true, long}}", "{linger, {true, 1, 1}}",
		"{active, maybe}", "{active, 32768}", "{active, -32769}", "{active, 36893488147419103237}", "{active, 4294967301}", "{active, []}", "{active, 1.0}",
		"{mode, text}", "{mode, 1}", "{deliver, mail}", "{deliver, 0}",
		"{packet, 3}", "{packet, -1}", "{packet, 36893488147419103236}", "{packet, 4294967300}", "{packet, json}", "{packet, \"4\"}",
		"{netns, path}", "{netns, 5}", "{bind_to_device, \"lo\"}", "{bind_to_device, lo}",
		"{raw, 6, 1}", "{raw, 6, 1, 1}", "{raw, a, 1, <<>>}", "{raw, {6, 1}}", "{raw, {6, 1, <<>>, 1}}", "{raw, [6, 1, <<>>]}",
		"{multicast_if, eth0}", "{multicast_if, {127, 0, 0}}", "{multicast_if, {0, 0, 0, 0, 0, 0, 0, 1}}", "{multicast_if, {256, 0, 0, 1}}",
		"{read_packets, -1}", "{read_packets, many}",
	} {
		s := scan(t, text)
		_, ok := new(Session).readOption(s.Raw(), sockets.ForSet)
		assert.False(t, ok, text)
	}
}

// An option that is refused is given back as it came, and none of the others is applied.
func TestBadOptionsAreToldAndNothingIsApplied(t *testing.T) {
	p := greeted(t)
	_, c, _ := p.pair("[]", "[{active, false}]")
	for _, option := range []string{"{nodelay,1}", "{unknown,[1.5,<<2>>,{#{a => b}}]}", "17", "{packet,3}", "#Pid<n@h.1.2.3>"} {
		assert.Equal(t, "{error,{bad_option,"+option+"}}", p.call("{setopts, %d, [{packet, 4}, %s, {active, true}]}", c, option))
		assert.Equal(t, "{ok,[{packet,0},{active,false}]}", p.call("{getopts, %d, [packet, active]}", c))
		p.send("{setopts, %d, [{packet, 4}, %s]}", c, option)
		p.expect("{error, {bad_option, " + option + "}}")
		assert.Equal(t, "{error,{bad_option,"+option+"}}", p.call("{listen, inet, {loopback, 0}, [%s]}", option))
		assert.Equal(t, "{error,{bad_option,"+option+"}}", p.call("{connect, inet, {loopback, 1}, undefined, [%s], 10}", option))
	}
	assert.Equal(t, "{error,{bad_option,unknown}}", p.call("{getopts, %d, [packet, unknown]}", c))
	assert.Equal(t, "{error,{bad_option,{raw,1,2}}}", p.call("{getopts, %d, [{raw, 1, 2}]}", c))
	assert.Equal(t, "{error,{bad_option,{raw,1,2,-4}}}", p.call("{getopts, %d, [{raw, 1, 2, -4}]}", c))
	assert.Equal(t, "{error,{bad_option,{nodelay,true}}}", p.call("{getopts, %d, [{nodelay, true}]}", c))
	assert.Equal(t, "{error,einval}", p.call("{getstat, %d, [recv_cnt, unknown]}", c))
	assert.Equal(t, "{error,{bad_option,1}}", p.call("{setopts, %d, [1, 2, 3]}", c))
	assert.Equal(t, "{error,{bad_option,300}}", p.call("{setopts, %d, [300]}", c))
	assert.Regexp(t, badCommandPattern, p.call("{setopts, %d, {nodelay, true}}", c))
	assert.Regexp(t, badCommandPattern, p.call("{setopts, %d, [{active, false} | improper]}", c))
}

// Options that have a value come back as they were set.
func TestOptionsComeBack(t *testing.T) {
	p := greeted(t)
	_, c, _ := p.pair("[]", "[{active, false}]")
	for _, option := range []string{
		"{nodelay,true}", "{active,once}", "{active,7}", "{active,false}", "{packet,0}", "{packet,2}", "{packet,line}", "{packet,http_bin}",
		"{packet,ssl}", "{mode,binary}", "{mode,list}", "{deliver,port}", "{deliver,term}", "{header,3}", "{send_timeout,infinity}",
		"{send_timeout,100}", "{linger,{true,3}}", "{high_watermark,100000}", "{low_watermark,10}", "{packet_size,9}", "{exit_on_close,false}",
		"{raw,6,1,<<0,0,0,0>>}",
	} {
		if strings.HasPrefix(option, "{active,f") {
			p.call("{setopts, %d, [{active, false}]}", c)
		}
		require.Equal(t, "ok", p.call("{setopts, %d, [%s]}", c, option), option)
		name := strings.Split(strings.Trim(option, "{}"), ",")[0]
		if name == "raw" {
			name = "{raw, 6, 1, <<0:32>>}"
			name = strings.Replace(name, "<<0:32>>", "4", 1)
		}
		assert.Equal(t, "{ok,["+option+"]}", p.call("{getopts, %d, [%s]}", c, name), option)
	}
	// The last of several counts when a socket is opened, the first when it is set.
	l := p.open("{listen, inet, {loopback, 0}, [{packet, 1}, binary, {packet, 2}, list, {backlog, 1}, {backlog, 2}]}")
	assert.Equal(t, "{ok,[{packet,2},{mode,list}]}", p.call("{getopts, %d, [packet, mode]}", l))
	assert.Equal(t, "ok", p.call("{setopts, %d, [{packet, 1}, {packet, 4}]}", l))
	assert.Equal(t, "{ok,[{packet,1}]}", p.call("{getopts, %d, [packet]}", l))
}

func TestLastOfEach(t *testing.T) {
	named := func(names ...string) (opts []sockets.Option) {
		for i, n := range names {
			name, ok := sockets.OptionByName([]byte(n), sockets.ForListen, 0)
			require.True(t, ok, n)
			opts = append(opts, sockets.Option{Name: name, Int: int64(i)})
		}
		return opts
	}
	places := func(opts []sockets.Option) (at []int64) {
		for _, o := range opts {
			at = append(at, o.Int)
		}
		return at
	}
	assert.Empty(t, lastOfEach(nil))
	assert.Equal(t, []int64{1, 3, 4}, places(lastOfEach(named("active", "packet", "active", "mode", "active"))))
	assert.Equal(t, []int64{0, 1, 3}, places(lastOfEach(named("raw", "raw", "nodelay", "nodelay"))), "raw options are all kept")
}

// Releases differ in the options they have.
func TestOptionsOfReleases(t *testing.T) {
	for greeting, want := range map[string]string{
		"{hello, 1, #{otp => 25}}": "{error,{bad_option,{read_ahead,false}}}",
		"{hello, 1, #{otp => 26}}": "{ok,1}",
		"{hello, 1}":               "{ok,1}",
	} {
		p := start(t, Config{}, greeting)
		assert.Equal(t, want, p.call("{listen, inet, {loopback, 0}, [{read_ahead, false}]}"), greeting)
	}
}

func TestReadAddress(t *testing.T) {
	for text, want := range map[string]string{
		"undefined":                                            "none",
		"{{127, 0, 0, 1}, 80}":                                 "inet 127.0.0.1 80 0 ",
		"{any, 0}":                                             "inet 0.0.0.0 0 0 ",
		"{loopback, 65535}":                                    "inet 127.0.0.1 65535 0 ",
		"{{0, 0, 0, 0, 0, 0, 0, 1}, 80}":                       "inet6 ::1 80 0 ",
		"{{65152, 0, 0, 0, 1, 2, 3, 65535}, 80}":               "inet6 fe80::1:2:3:ffff 80 0 ",
		"{{0, 0, 0, 0, 0, 65535, 32512, 1}, 80}":               "inet6 ::ffff:127.0.0.1 80 0 ",
		"{local, \"/run/shop\"}":                               "local invalid IP 0 0 /run/shop",
		"{local, <<\"/run/shop\">>}":                           "local invalid IP 0 0 /run/shop",
		"{local, [\"/run\", <<\"/shop\">>]}":                   "local invalid IP 0 0 /run/shop",
		"#{family => inet, addr => {10, 1, 2, 3}, port => 80}": "inet 10.1.2.3 80 0 ",
		"#{port => 80, addr => loopback, family => inet6}":     "inet6 ::1 80 0 ",
		"#{family => inet6, addr => any, port => 1}":           "inet6 :: 1 0 ",
		"#{family => inet}":                                    "inet 0.0.0.0 0 0 ",
		"#{family => inet6, addr => {65152, 0, 0, 0, 0, 0, 0, 1}, port => 80, flowinfo => 9, scope_id => 4294967295}": "inet6 fe80::1 80 4294967295 ",
		"#{family => local, path => <<\"/run/shop\">>}":                                                               "local invalid IP 0 0 /run/shop",
		"#{family => local, path => \"/run/shop\"}":                                                                   "local invalid IP 0 0 /run/shop",
	} {
		s := scan(t, text)
		a, ok, err := readAddress(&s, sockets.Inet)
		assert.NoError(t, err, text)
		assert.NoError(t, s.Finish(), text)
		got := "none"
		if ok {
			got = fmt.Sprintf("%s %s %d %d %s", a.Family, a.IP, a.Port, a.Scope, a.Path)
		}
		assert.Equal(t, want, got, text)
	}
}

func TestBadAddressesAreRefused(t *testing.T) {
	p := greeted(t)
	for _, address := range []string{
		"localhost", "loopback", "17", "\"127.0.0.1\"", "[]", "{}", "{{127, 0, 0, 1}}", "{{127, 0, 0, 1}, 80, tcp}",
		"{{127, 0, 0}, 80}", "{{127, 0, 0, 256}, 80}", "{{127, 0, 0, -1}, 80}", "{{0, 0, 0, 0, 0, 0, 0, 65536}, 80}", "{{1, 2, 3, 4, 5}, 80}",
		"{\"127.0.0.1\", 80}", "{nowhere, 80}", "{undefined, 80}", "{{127, 0, 0, 1}, 65536}", "{{127, 0, 0, 1}, -1}", "{{127, 0, 0, 1}, http}",
		"{{127, 0, 0, 1}, 36893488147419103312}", "{local, path}", "{local, [47, 1000]}",
		"#{family => inet, addr => nowhere, port => 80}", "#{family => inet, addr => {127, 0, 0}, port => 80}", "#{family => ipx}",
		"#{family => inet, addr => {127, 0, 0, 1}, port => 65616}", "#{family => inet, port => http}", "#{family => inet6, addr => any, scope_id => 4294967296}",
		"#{family => inet6, scope_id => lo}", "#{family => local, path => 17}", "#{\"family\" => inet}", "#{family => inet, addr => 2130706433}",
	} {
		for _, command := range []string{
			"{listen, inet, %s, []}", "{connect, inet, %s, undefined, [], 100}", "{connect, inet, {loopback, 1}, %s, [], 100}",
		} {
			assert.Regexp(t, badCommandPattern, p.call(command, address), command, address)
		}
	}
	for _, family := range []string{"inet5", "17", "\"inet\"", "[]"} {
		assert.Equal(t, `{error,{bad_command,<<"a family is inet, inet6 or local">>}}`, p.call("{listen, %s, {any, 0}, []}", family))
	}
	assert.Regexp(t, badCommandPattern, p.call("{listen, local, {loopback, 0}, []}"))
	assert.Regexp(t, badCommandPattern, p.call("{connect, local, {any, 0}, undefined, [], 1}"))
	assert.Equal(t, `{error,{bad_command,<<"connect needs an address">>}}`, p.call("{connect, inet, undefined, undefined, [], 1}"))
	assert.Equal(t, "{ok,[]}", p.call("sockets"))
}

// What the system refuses is a POSIX reason, and so is an address of another family.
func TestAddressesThatTheSystemRefuses(t *testing.T) {
	p := greeted(t)
	taken := p.port(p.open("{listen, inet, {loopback, 0}, []}"))
	free := p.open("{listen, inet, {loopback, 0}, []}")
	nobody := p.port(free)
	p.send("{close, %d}", free)
	p.expect(fmt.Sprintf("{gone, %d, normal}", free))
	dir := t.TempDir()
	for command, want := range map[string]string{
		fmt.Sprintf("{listen, inet, {loopback, %d}, []}", taken):                              "eaddrinuse",
		"{listen, inet, {{192, 0, 2, 1}, 0}, []}":                                             "eaddrnotavail",
		fmt.Sprintf("{connect, inet, {loopback, %d}, undefined, [], infinity}", nobody):       "econnrefused",
		"{connect, inet, {loopback, 1}, {{192, 0, 2, 1}, 0}, [], infinity}":                   "eaddrnotavail",
		fmt.Sprintf("{connect, local, {local, \"%s/nobody\"}, undefined, [], infinity}", dir): "enoent",
		fmt.Sprintf("{listen, local, {local, \"%s/no/such\"}, []}", dir):                      "enoent",
		"{listen, inet, {{0, 0, 0, 0, 0, 0, 0, 1}, 0}, []}":                                   "e[a-z]+",
		"{listen, inet6, {{127, 0, 0, 1}, 0}, []}":                                            "e[a-z]+",
		"{listen, inet, #{family => inet, addr => {0, 0, 0, 0, 0, 0, 0, 1}}, []}":             "e[a-z]+",
		"{listen, inet6, #{family => inet6, addr => {127, 0, 0, 1}}, []}":                     "e[a-z]+",
		"{listen, inet, {local, \"/run/shop\"}, []}":                                          "e[a-z]+",
		"{listen, inet, {loopback, 0}, [{fd, 0}]}":                                            "enotsup",
		"{fdopen, inet, 0, []}":                                                               "enotsup",
		"{listen, inet, {loopback, 0}, [{netns, \"/no/such\"}]}":                              "enoent",
	} {
		assert.Regexp(t, "^\\{error,"+want+"\\}$", p.call("%s", command), command)
	}
}
