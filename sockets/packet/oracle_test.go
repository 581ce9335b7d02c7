package packet_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentcp/gentcp/sockets/packet"
)

// oracle is a node that says what stock Erlang makes of some bytes.
type oracle struct {
	in        io.Writer
	out       *bufio.Reader
	ipv6Hosts bool // this OTP understands [::1]:80
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	if _, err := exec.LookPath("escript"); err != nil {
		t.Skip("no Erlang to compare with: ", err)
	}
	cmd := exec.Command("escript", "testdata/oracle.escript")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close() // the script ends with its input
		if err := cmd.Wait(); err != nil {
			t.Errorf("oracle: %v\n%s", err, &stderr)
		}
	})
	o := &oracle{in: in, out: bufio.NewReader(out)}
	probe := setup{mode: packet.HTTP, delimiter: '\n'}
	o.ipv6Hosts = strings.Contains(o.decode(t, probe, []byte("GET http://[::1]:80/\n")), " 80 ")
	return o
}

func (o *oracle) ask(t failer, format string, args ...any) string {
	t.Helper()
	_, err := fmt.Fprintf(o.in, format+"\n", args...)
	require.NoError(t, err)
	answer, err := o.out.ReadString('\n')
	require.NoError(t, err)
	return hexToken.ReplaceAllStringFunc(strings.TrimSuffix(answer, "\n"), func(token string) string {
		text, err := hex.DecodeString(token[1:])
		require.NoError(t, err)
		return fmt.Sprintf("%q", text)
	})
}

// hexToken is how the oracle writes strings.
var hexToken = regexp.MustCompile(`\bx[0-9a-f]*\b`)

// decode asks for one erlang:decode_packet/3.
func (o *oracle) decode(t failer, s setup, data []byte) string {
	t.Helper()
	mode, delimiter := s.mode, "-"
	switch {
	case mode == packet.Line:
		delimiter = fmt.Sprint(s.delimiter)
	case s.headers && mode == packet.HTTP:
		mode = packet.HTTPH // the function has no other way to begin with headers
	case s.headers && mode == packet.HTTPBin:
		mode = packet.HTTPHBin
	}
	return o.ask(t, "decode %s %d %d %s x%x", mode, s.size, s.buffer, delimiter, data)
}

// decodeHere is what a Framer makes of it.
func decodeHere(t failer, s setup, data []byte) string {
	t.Helper()
	p, n, need, err := next(t, s.framer(), data)
	switch {
	case err != nil:
		return "error"
	case n > 0:
		return fmt.Sprintf("%d %s", n, describe(p))
	}
	return fmt.Sprintf("more %d", need)
}

// compareDecode compares one Next with one erlang:decode_packet/3, which differ
// where the driver does more than to call the parser they share:
//
//   - decode_packet sees all it is given, while the driver sees no further than
//     its buffer. So it is given only that much here.
//   - A full buffer that does not show where its packet ends is an error.
//   - decode_packet says how much is missing only once it knows the whole length.
//   - It has no state, so there is nothing to say about Headers afterwards.
func (o *oracle) compareDecode(t failer, s setup, data []byte) {
	t.Helper()
	seen, full := data, false
	if s.buffer > 0 {
		window := max(s.buffer, int(s.size))
		if s.mode == packet.Line {
			window = s.buffer
		}
		full = len(data) >= window
		seen = data[:min(len(data), window)]
	}
	want := o.decode(t, s, seen)
	got := decodeHere(t, s, data)
	if want == "more" {
		if full {
			want = "error"
		} else if strings.HasPrefix(got, "more ") {
			want = got
		}
	}
	require.Equal(t, want, got, "%+v %q", s, data)
}

// bounded reports whether decode_packet has a counterpart, line_length, of the
// buffer's size as a limit.
func bounded(m packet.Mode) bool { return m >= packet.Line && m != packet.SSLTLS }

func TestDecodePacketAgrees(t *testing.T) {
	o := startOracle(t)
	for _, mode := range framed {
		t.Run(mode.String(), rapid.MakeCheck(func(t *rapid.T) {
			s := drawSetup(t)
			s.mode, s.unparsed, s.ipv6Hosts = mode, false, o.ipv6Hosts
			if !bounded(mode) {
				s.buffer = 0 // decode_packet has no such limit here
			}
			data := drawStream(t, mode)
			o.compareDecode(t, s, data)
			if len(data) > 0 {
				o.compareDecode(t, s, data[rapid.IntRange(0, len(data)-1).Draw(t, "from"):])
			}
			o.compareDecode(t, s, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "noise"))
		}))
	}
}

// receive asks for all that a socket with these options receives. After each
// packet, the mode becomes the next one of modes.
func (o *oracle) receive(t failer, s setup, modes []packet.Mode, data []byte) string {
	t.Helper()
	var types []string
	for _, m := range modes {
		types = append(types, m.String())
	}
	return o.ask(t, "stream %s %d %d %d x%x", strings.Join(types, ","), s.size, s.buffer, s.delimiter, data)
}

// receiveHere is what a Framer makes of it.
func receiveHere(t failer, s setup, modes []packet.Mode, data []byte) string {
	t.Helper()
	f := s.framer()
	var out []string
	for i, mode := range modes {
		f.Mode = mode
		if i == len(modes)-1 {
			break // the last mode is for all that is left
		}
		p, n, _, _ := next(t, f, data)
		if n == 0 {
			break // and read below comes to the same end
		}
		out = append(out, describe(p))
		data = data[n:]
	}
	return strings.Join(append(out, read(t, f, data)...), " | ")
}

func TestDriverAgrees(t *testing.T) {
	o := startOracle(t)
	for _, mode := range framed {
		t.Run(mode.String(), rapid.MakeCheck(func(t *rapid.T) {
			s := drawSetup(t)
			s.headers, s.unparsed, s.ipv6Hosts = false, false, o.ipv6Hosts
			s.buffer = rapid.IntRange(1, 80).Draw(t, "buffer")
			data := drawStream(t, mode)
			modes := []packet.Mode{mode}
			want := o.receive(t, s, modes, data)
			require.Equal(t, want, receiveHere(t, s, modes, data), "%+v %q", s, data)
		}))
	}
}

// The buffer is as large as the input here: in the driver, one that has grown for
// a long packet keeps its size for the next one, and that is not modelled.
func TestDriverAgreesOnModeChanges(t *testing.T) {
	o := startOracle(t)
	rapid.Check(t, func(t *rapid.T) {
		s := drawSetup(t)
		s.headers, s.unparsed, s.ipv6Hosts = false, false, o.ipv6Hosts
		s.buffer = packet.DefaultBuffer
		modes := rapid.SliceOfN(rapid.SampledFrom(framed), 1, 8).Draw(t, "modes")
		var data []byte
		for _, m := range modes {
			data = append(data, drawPacket(t, m)...)
		}
		want := o.receive(t, s, modes, data)
		require.Equal(t, want, receiveHere(t, s, modes, data), "%+v %q", s, data)
	})
}
