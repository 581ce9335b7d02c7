package etf

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A vector is a line of testdata/golden-otp*.txt, see testdata/golden.escript.
type vector struct {
	name, mode string
	data       []byte
	text       string
}

var goldenFiles = []string{"testdata/golden-otp25.txt", "testdata/golden-otp27.txt"}

func readVectors(t testing.TB, file string) []vector {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var vs []vector
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.SplitN(lines.Text(), "\t", 4)
		require.Len(t, fields, 4, lines.Text())
		data, err := hex.DecodeString(fields[2])
		require.NoError(t, err)
		vs = append(vs, vector{fields[0], fields[1], data, fields[3]})
	}
	require.NotEmpty(t, vs)
	return vs
}

// What this package refuses or reads and the BEAM does not, or the other way.
var differs = map[string]string{
	"BIT_BINARY_EXT empty": "read here, as in OTP 25; OTP 27 refuses it",
	"FUN_EXT":              "read here, for old data; the BEAM gave it up in OTP 23",
}

func TestGoldenVectors(t *testing.T) {
	for _, file := range goldenFiles {
		newAtoms := strings.Contains(file, "27") // the release writes UTF-8 atoms by default
		for _, v := range readVectors(t, file) {
			t.Run(file[len("testdata/golden-"):len(file)-4]+"/"+v.name, func(t *testing.T) {
				term, err := Decode(v.data)
				s := NewScanner(v.data)
				s.Version()
				s.Skip()
				assert.Equal(t, err == nil, s.Finish() == nil, "scan and decode disagree")
				if v.mode == "refuses" && differs[v.name] == "" {
					assert.Error(t, err)
					return
				}
				require.NoError(t, err)

				again, err := Marshal(term)
				require.NoError(t, err)
				back, err := Decode(again)
				require.NoError(t, err)
				assert.True(t, Equal(term, back), "%s came back as %s", Format(term), Format(back))
				if v.mode == "writes" && newAtoms {
					assert.Equal(t, hex.EncodeToString(v.data), hex.EncodeToString(again))
				}

				if v.mode == "refuses" {
					return // nothing to compare with
				}
				text := Format(term)
				switch term.(type) {
				case Pid, Port, Ref, Fun, Local:
					return // no syntax in Erlang
				}
				if !strings.HasPrefix(v.text, "{foo,<") {
					read, err := Parse(v.text)
					require.NoError(t, err)
					assert.True(t, Equal(term, read), "%s parsed as %s", v.text, Format(read))
				}
				read, err := Parse(text)
				require.NoError(t, err)
				assert.True(t, Equal(term, read), "%s parsed as %s", text, Format(read))
			})
		}
	}
}

// Every prefix of a vector is truncated, and says so.
func TestTruncationAtEveryByte(t *testing.T) {
	for _, file := range goldenFiles {
		for _, v := range readVectors(t, file) {
			if v.mode == "refuses" || len(v.data) > 2000 || strings.HasPrefix(v.name, "local") {
				continue
			}
			for n := range v.data {
				_, err := Decode(v.data[:n])
				require.ErrorIs(t, err, ErrTruncated, "%s, %d bytes", v.name, n)
				var e *Error
				require.ErrorAs(t, err, &e)
				require.LessOrEqual(t, e.Offset, n)
			}
		}
	}
}

func TestEveryTagIsInAGoldenVector(t *testing.T) {
	seen := map[Tag]bool{}
	for _, file := range goldenFiles {
		for _, v := range readVectors(t, file) {
			if len(v.data) > 1 {
				seen[Tag(v.data[1])] = true
			}
		}
	}
	for tag := range tags {
		if tags[tag].name != "" && Tag(tag) != tagAtomCacheRef { // which no term_to_binary writes
			assert.True(t, seen[Tag(tag)], Tag(tag).String())
		}
	}
}
