package driver

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The files of testdata/conversations are whole sessions: lines that begin with > are
// commands, lines that begin with < are the messages that come, in exactly this order
// (how they share frames is left open). A $Name stands for what the first message that
// has it says there.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { converse(t, file, nil) })
		t.Run(name+" in pieces", func(t *testing.T) { converse(t, file, inPieces) })
		t.Run(name+" octet by octet", func(t *testing.T) { converse(t, file, oneByOne) })
	}
}

var variable = regexp.MustCompile(`\$[A-Z][A-Za-z]*`)

func converse(t *testing.T, file string, split func(int) int) {
	script, err := os.ReadFile(file)
	require.NoError(t, err)
	p := start(t, Config{MaxSockets: 100}, "")
	p.split = split
	bound := map[string]string{"$Dir": t.TempDir()}
	substitute := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(name string) string {
			if value, ok := bound[name]; ok {
				return value
			}
			return "'" + name + "'"
		})
	}
	for line := range strings.Lines(string(script)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text := substitute(line[2:])
		if strings.HasPrefix(line, "> ") {
			p.send("%s", text)
			continue
		}
		require.True(t, strings.HasPrefix(line, "< "), line)
		var names []string
		pattern := regexp.QuoteMeta(normal(t, text))
		pattern = regexp.MustCompile(`'\\\$[A-Za-z]+'`).ReplaceAllStringFunc(pattern, func(quoted string) string {
			names = append(names, strings.Trim(quoted, `'\`))
			return "(.+)"
		})
		got := p.next()
		match := regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(got)
		require.NotNil(t, match, "%s\ninstead of\n%s", got, line)
		for i, name := range names {
			bound[name] = match[i+1]
		}
	}
	_ = p.in.Close()
	for p.fill(patience) == nil {
		require.Fail(t, "more was said", "%s", p.next())
	}
	require.NoError(t, p.end())
}
