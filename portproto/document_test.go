package portproto_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentcp/gentcp/etf"
	"github.com/gentcp/gentcp/portproto"
)

var update = flag.Bool("update", false, "write the octets of the examples into PROTOCOL.md and testdata/messages.txt")

const (
	document = "PROTOCOL.md"
	messages = "testdata/messages.txt"
)

// An example is a frame of testdata/messages.txt: name, direction and Erlang text, hex.
type example struct {
	name  string
	toGo  bool
	text  string
	frame []byte
}

func (e example) heading() string {
	if e.toGo {
		return "> " + e.text
	}
	return "< " + e.text
}

func readExamples(t testing.TB) []example {
	file, err := os.ReadFile(messages)
	require.NoError(t, err)
	var all []example
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		require.Len(t, fields, 3, line)
		frame, err := hex.DecodeString(fields[2])
		require.NoError(t, err, line)
		all = append(all, example{fields[0], strings.HasPrefix(fields[1], "> "), fields[1][2:], frame})
	}
	require.NotEmpty(t, all)
	return all
}

func exampleNamed(t testing.TB, name string) example {
	for _, e := range readExamples(t) {
		if e.name == name {
			return e
		}
	}
	require.Fail(t, "no such example", name)
	return example{}
}

var wireBlock = regexp.MustCompile("(?s)```wire\n(.*?)```")

// documented gives the examples of PROTOCOL.md, which have no names.
func documented(t testing.TB, text string) []example {
	var all []example
	for _, block := range wireBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "< ") {
				all = append(all, example{toGo: line[0] == '>', text: line[2:]})
				continue
			}
			octets, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
			require.NoError(t, err, line)
			last := &all[len(all)-1]
			last.frame = append(last.frame, octets...)
		}
	}
	return all
}

// encode makes the frame of an example with this package, as the driver does.
func encode(t testing.TB, e example) []byte {
	term, err := etf.Parse(e.text)
	require.NoError(t, err, e.text)
	if e.toGo {
		command, err := etf.Marshal(term)
		require.NoError(t, err)
		return frame(command)
	}
	var b portproto.Batch
	for _, message := range term.(etf.List) {
		b.Begin()
		b.Buf = appendMessage(t, b.Buf, message)
		b.End()
	}
	b.Close()
	return b.Buf
}

// appendMessage writes a message of section 5.
func appendMessage(t testing.TB, b []byte, message etf.Term) []byte {
	m := message.(etf.Tuple)
	rest := m[1:]
	switch name := m[0].(etf.Atom); name {
	case "hello":
		info, err := etf.ToGoMap[string, any](m[2].(etf.Map))
		require.NoError(t, err)
		h := portproto.Hello{
			Program: string(info["version"].([]byte)), OSPid: int(info["os_pid"].(int64)), MaxFrame: int(info["max_frame"].(int64)),
			MaxSockets: int(info["max_sockets"].(int64)),
		}
		for _, f := range info["features"].(etf.List) {
			h.Features = append(h.Features, f.(etf.Atom))
		}
		b, err = h.Append(b)
		require.NoError(t, err)
		return b
	case "to":
		return appendMessage(t, portproto.AppendTo(b, raw(t, m[1])), m[2])
	case "reply":
		b, rest = portproto.AppendReply(b, raw(t, m[1])), m[2:]
	case "error":
		b = portproto.AppendErrorTerm(b)
	case "ahead":
		b = portproto.AppendAhead(b, m[1].(int64), int(m[2].(int64)))
		if lines, ok := m[3].(etf.Tuple); ok {
			return appendLines(b, lines)
		}
		rest = m[3:]
	case "recall":
		return portproto.AppendID(portproto.AppendEvent(b, "recall", 3, m[1].(int64)), m[2].(int64))
	case "credit":
		return portproto.AppendCredit(b, m[1].(int64), int(m[2].(int64)), int(m[3].(int64)))
	default:
		b, rest = portproto.AppendEvent(b, string(name), len(m), m[1].(int64)), m[2:]
		if name == "http" {
			if lines, ok := m[2].(etf.Tuple); ok && lines[0] == etf.Atom("lines") {
				return appendLines(b, lines)
			}
		}
	}
	for _, term := range rest {
		b = append(b, raw(t, term)...)
	}
	return b
}

// appendLines writes {lines, Mode, Headers, Count, Octets}.
func appendLines(b []byte, lines etf.Tuple) []byte {
	b = portproto.AppendLines(b, string(lines[1].(etf.Atom)), lines[2].(int64) == 1)
	head := len(b)
	b = append(b, lines[4].([]byte)...)
	portproto.PatchLines(b, head, int(lines[3].(int64)))
	return b
}

func raw(t testing.TB, term etf.Term) etf.RawTerm {
	b, err := etf.Append(nil, term)
	require.NoError(t, err)
	return b
}

// frame puts a length before a payload.
func frame(payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, payload...)
}

// The examples of PROTOCOL.md are those of testdata/messages.txt, in the same order.
func TestDocumentHasTheExamples(t *testing.T) {
	if *update {
		writeExamples(t)
	}
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	want, got := readExamples(t), documented(t, string(text))
	require.Len(t, got, len(want))
	for i, e := range want {
		assert.Equal(t, e.heading(), got[i].heading(), e.name)
		assert.Equal(t, hex.EncodeToString(e.frame), hex.EncodeToString(got[i].frame), e.name)
	}
}

// The octets of the examples are those that this package makes.
func TestExamplesAreEncodedSo(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range readExamples(t) {
		assert.False(t, seen[e.name], "two examples are called %s", e.name)
		seen[e.name] = true
		assert.Equal(t, hex.EncodeToString(encode(t, e)), hex.EncodeToString(e.frame), "%s: %s", e.name, e.text)

		term, err := etf.Decode(e.frame[portproto.FrameHeader:])
		require.NoError(t, err, e.name)
		want, err := etf.Parse(e.text)
		require.NoError(t, err, e.name)
		assert.True(t, etf.Equal(want, term), "%s decodes as %s", e.name, etf.Format(term))
	}
}

// The piece of section 1 that is explained octet by octet is an example, too.
func TestAnnotatedExample(t *testing.T) {
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```annotated\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, block)
	octets := ""
	for line := range strings.Lines(string(block[1])) {
		octets += strings.ReplaceAll(strings.SplitN(line, "   ", 2)[0], " ", "")
	}
	assert.Equal(t, hex.EncodeToString(exampleNamed(t, "send").frame), octets)
}

// Every name in the first column of the document's tables of commands and messages has an
// example.
func TestEveryCommandAndMessageHasAnExample(t *testing.T) {
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	commands, events := map[string]bool{}, map[string]bool{}
	for _, e := range readExamples(t) {
		if e.toGo {
			c, err := portproto.ReadCommand(e.frame[portproto.FrameHeader:])
			require.NoError(t, err, e.name)
			commands[string(c.Name)] = true
			continue
		}
		term, err := etf.Parse(e.text)
		require.NoError(t, err)
		for _, m := range term.(etf.List) {
			events[string(m.(etf.Tuple)[0].(etf.Atom))] = true
		}
	}
	row := regexp.MustCompile("(?m)^\\| (`[^|]*`(?:\\\\\\|[^|]*)*) \\|")
	name := regexp.MustCompile("`\\{?([a-z_]+)[,`}]")
	for section, examples := range map[string]map[string]bool{"3.1": commands, "3.2": commands, "3.3": commands, "3.4": commands, "3.5": commands, "5": events} {
		rows := row.FindAllStringSubmatch(sectionOf(string(text), section), -1)
		require.NotEmpty(t, rows, section)
		for _, r := range rows {
			names := name.FindAllStringSubmatch(r[1], -1)
			require.NotEmpty(t, names, r[1])
			for _, n := range names {
				assert.True(t, examples[n[1]], "section %s: %s has no example", section, n[1])
			}
		}
	}
}

// sectionOf cuts out a section by its number, up to the next heading.
func sectionOf(text, number string) string {
	at := regexp.MustCompile(`(?m)^#+ ` + regexp.QuoteMeta(number) + `\.? `).FindStringIndex(text)
	if at == nil {
		return ""
	}
	section, _, _ := strings.Cut(text[at[1]:], "\n#")
	return section
}

// The BEAM reads the examples as the terms that the text says.
func TestExamplesOnTheBEAM(t *testing.T) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		t.Skip("no erl on the PATH: ", err)
	}
	var check strings.Builder
	for _, e := range readExamples(t) {
		fmt.Fprintf(&check, "    {%s, binary_to_term(<<16#%x:%d>>), %s},\n",
			e.name, e.frame[portproto.FrameHeader:], 8*(len(e.frame)-portproto.FrameHeader), e.text)
	}
	program := "Examples = [" + strings.TrimSuffix(check.String(), ",\n") + `],
		Wrong = [Name || {Name, Got, Want} <- Examples, Got =/= Want],
		io:format("~p of ~p are wrong: ~p~n", [length(Wrong), length(Examples), Wrong]),
		halt(min(length(Wrong), 1)).`
	out, err := exec.Command(erl, "-noshell", "-eval", program).CombinedOutput()
	assert.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "0 of ")
}

func writeExamples(t *testing.T) {
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	examples := readExamples(t)
	file := "# name, direction and term, octets of the frame in hexadecimal. The octets are written\n" +
		"# by go test ./portproto -run TestDocumentHasTheExamples -update, as those in PROTOCOL.md.\n"
	octets := map[string]string{}
	for _, e := range examples {
		encoded := hex.EncodeToString(encode(t, e))
		octets[e.heading()] = encoded
		file += fmt.Sprintf("%s\t%s\t%s\n", e.name, e.heading(), encoded)
	}
	require.NoError(t, os.WriteFile(messages, []byte(file), 0o644))

	filled := wireBlock.ReplaceAllStringFunc(string(text), func(block string) string {
		out := ""
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "   ") {
				continue
			}
			out += line
			const width = 32 // octets a line
			for rest := octets[strings.TrimSuffix(line, "\n")]; rest != ""; {
				n := min(2*width, len(rest))
				part, _ := hex.DecodeString(rest[:n])
				out += fmt.Sprintf("    % x\n", part)
				rest = rest[n:]
			}
		}
		return out
	})
	require.NoError(t, os.WriteFile(document, []byte(filled), 0o644))
}
