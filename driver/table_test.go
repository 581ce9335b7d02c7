package driver

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// garbage are arguments that few commands can do anything with.
var garbage = []string{"{garbage}", "[a | b]", "1.5", "[]", "<<>>", "\"octets\"", "-1", "0", "infinity", "#{}", "[{garbage, 1}]"}

// Every command of the table with a right number of whatever arguments, on a listener, a connection, a
// socket that never was or none, is answered once when it is called, and not at all when it is not, but for an error.
func TestGarbageIsAnsweredOnce(t *testing.T) {
	for _, row := range commands {
		t.Run(row.name, func(t *testing.T) {
			p := greeted(t)
			sent, tags := 0, map[string]int{}
			for n := row.least; n <= row.most; n++ {
				for _, subject := range []string{"listener", "connection", "4711", "garbage"} {
					for _, arg := range garbage {
						l, c, s := p.pair("[{active, false}]", "[{active, false}]")
						args := slices.Repeat([]string{arg}, n)
						if n > 0 {
							args[0] = map[string]string{"listener": fmt.Sprint(l), "connection": fmt.Sprint(c), "4711": "4711", "garbage": arg}[subject]
						}
						command := commandRow{name: row.name}.with(args, strings.NewReplacer())
						sent++
						p.send("{call, {call, %d}, %s}", sent, command)
						p.send("%s", command)
						for _, id := range []int{l, c, s} { // who waits waits no longer
							p.send("{close, %d}", id)
						}
						for _, m := range p.alive() {
							var tag int
							if _, err := fmt.Sscanf(m, "{reply,{call,%d},", &tag); err == nil {
								tags[fmt.Sprint(tag)]++
								continue
							}
							assert.Regexp(t, `^\{(error|gone|to),`, m, command)
						}
						assert.Equal(t, 1, tags[fmt.Sprint(sent)], command)
						require.Equal(t, "{ok,[]}", p.call("sockets"), command)
					}
				}
			}
		})
	}
}

// The tables of PROTOCOL.md sections 2 and 3 have the commands of this table, with the numbers of
// arguments that they take.
func TestDocumentHasTheCommands(t *testing.T) {
	text := document(t)
	least, most := map[string]int{"hello": 1}, map[string]int{"hello": 2} // section 2 has no table of it
	for _, number := range []string{"3.1", "3.2", "3.3", "3.4", "3.5"} {
		for _, r := range regexp.MustCompile("(?m)^\\| (`.*?[^\\\\]) \\|").FindAllStringSubmatch(section(t, text, number), -1) {
			forms := regexp.MustCompile("`(?:\\{([a-z_]+)((?:, [^`]+)?)\\}|([a-z_]+))`").FindAllStringSubmatch(r[1], -1)
			require.NotEmpty(t, forms, r[1])
			for _, f := range forms {
				name, n := f[1]+f[3], strings.Count(f[2], ",")
				if _, ok := least[name]; !ok {
					least[name] = n
				}
				least[name], most[name] = min(least[name], n), max(most[name], n)
			}
		}
	}
	for _, row := range commands {
		l, ok := least[row.name]
		if assert.True(t, ok, "%s is not documented", row.name) {
			assert.Equal(t, [2]int{row.least, row.most}, [2]int{l, most[row.name]}, row.name)
		}
		delete(least, row.name)
	}
	assert.Empty(t, least, "documented, and not in the table")
}

// What the document says of commands that may be cast, and of those that end a loan.
func TestDocumentHasTheColumns(t *testing.T) {
	text := document(t)
	var casts, asks []string
	for _, row := range commands {
		if !row.mustCall && row.name != "hello" {
			casts = append(casts, row.name)
		}
		if row.asks || row.name == "settle" {
			asks = append(asks, row.name)
		}
	}
	names := func(pattern string) (all []string) {
		list := regexp.MustCompile(pattern).FindStringSubmatch(text)
		require.NotNil(t, list, pattern)
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(list[1], -1) {
			all = append(all, m[1])
		}
		return all
	}
	assert.ElementsMatch(t, casts, names(`(?s)not answered; of use for (.*?)\. The others have to be called`))
	assert.ElementsMatch(t, asks, names("(?s)commands that \\*ask\\* for the input of a socket: (.*?)\\. "))
}

func document(t *testing.T) string {
	text, err := os.ReadFile("../portproto/PROTOCOL.md")
	require.NoError(t, err)
	return string(text)
}

// section cuts out a section of the document by its number, up to the next heading.
func section(t *testing.T, text, number string) string {
	at := regexp.MustCompile(`(?m)^#+ ` + regexp.QuoteMeta(number) + `\.? `).FindStringIndex(text)
	require.NotNil(t, at, number)
	cut, _, _ := strings.Cut(text[at[1]:], "\n#")
	return cut
}
