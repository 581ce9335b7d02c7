package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	for name, c := range map[string]struct {
		args   string
		in     string
		out    string
		err    string
		status int
	}{
		"raw":           {"", "\x83h\x02w\x01aa\x01\x83j", "{a,1}.\n[].\n", "", 0},
		"hex":           {"-from hex", "83 68 02\n7701 61 61 01", "{a,1}.\n", "", 0},
		"base64":        {"-from base64", "g2gCdwFh\nYQE=\n", "{a,1}.\n", "", 0},
		"packet 1":      {"-packet 1", "\x03\x83a\x01\x02\x83j", "1.\n[].\n", "", 0},
		"packet 2":      {"-packet 2", "\x00\x03\x83a\x01", "1.\n", "", 0},
		"packet 4":      {"-packet 4", "\x00\x00\x00\x03\x83a\x01", "1.\n", "", 0},
		"to hex":        {"-from erlang -to hex", "{a,1}. [].", "836802770161" + "6101\n836a\n", "", 0},
		"to base64":     {"-from erlang -to base64", "{a,1}", "g2gCdwFhYQE=\n", "", 0},
		"to raw":        {"-from erlang -to raw -packet 2", "{a,1}", "\x00\x08\x83h\x02w\x01aa\x01", "", 0},
		"nothing":       {"", "", "", "", 0},
		"unicode":       {"-from erlang", "{'λ',<<\"é\"/utf8>>,\"é\"}", "{'λ',<<\"é\"/utf8>>,\"é\"}.\n", "", 0},
		"trailing junk": {"", "\x83j\x01", "[].\n", "etf: standard input: term 2: at offset 0: the version is 1, not 131\n", 1},
		"cut":           {"", "\x83j\x83h\x05", "[].\n", "etf: standard input: term 2: at offset 3: the stream ends inside a message\n", 1},
		"goes on after a damaged packet": {"-packet 1", "\x02\x83\x07\x02\x83j", "[].\n",
			"etf: standard input: term 1: at offset 1: tag 7 starts no term\n", 1},
		"bad hex":       {"-from hex", "83zz", "", "etf: standard input: term 1: encoding/hex: invalid byte: U+007A 'z'\n", 1},
		"bad erlang":    {"-from erlang", "ok. {a,\nB}.", "ok.\n", "etf: standard input: line 2, column 1: the variable B is no term\n", 1},
		"too long":      {"-from erlang -to raw -packet 1", `"` + strings.Repeat("a", 300) + `"`, "", "etf: standard input: a message of 304 bytes, {packet,1} holds 255: over the limit\n", 1},
		"unknown form":  {"-from xml", "", "", "etf: cannot read the form \"xml\"\n", 2},
		"json is final": {"-from json", "", "", "etf: cannot read the form \"json\"\n", 2},
		"bad packet":    {"-packet 3", "", "", "etf: -packet is 0, 1, 2 or 4, not 3\n", 2},
		"bad level":     {"-compress 10", "", "", "etf: -compress is 0 to 9, not 10\n", 2},
		"no file":       {"/does/not/exist", "", "", "etf: open /does/not/exist: no such file or directory\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var out, err strings.Builder
			status := run(strings.Fields(c.args), strings.NewReader(c.in), &out, &err)
			assert.Equal(t, c.out, out.String())
			assert.Equal(t, c.err, err.String())
			assert.Equal(t, c.status, status)
		})
	}
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		"{ok,true,false,undefined,nil,null,'a b'}": `["ok",true,false,null,null,null,"a b"]`,
		"[1,-2.5,1.0e22,18446744073709551616]":     `[1,-2.5,1e+22,18446744073709551616]`,
		`[<<"text">>,<<255>>,"string",[1,2],""]`:   `["text",{"$binary":"/w=="},"string",[1,2],[]]`,
		`"é"`:                                      `"é"`,
		"[a|b]":                                    `{"$improper":[["a"],"b"]}`,
		`#{a => 1,<<"b">> => #{1 => x},{t} => []}`: `{"a":1,"b":{"1":"x"},"{t}":[]}`,
		`#{a => 1,<<"a">> => 2}`:                   `{"$map":[["a",1],["a",2]]}`,
		"{<<1:1>>,fun m:f/1,#Pid<a@b.1.2.3>}":      `[{"$term":"<<1:1>>"},{"$term":"fun m:f/1"},{"$term":"#Pid<a@b.1.2.3>"}]`,
	} {
		var out, err strings.Builder
		assert.Zero(t, run([]string{"-from", "erlang", "-to", "json"}, strings.NewReader(text), &out, &err), err.String())
		assert.Equal(t, want+"\n", out.String(), text)
	}
}

func TestCompressedOnRequest(t *testing.T) {
	text := `"` + strings.Repeat("a", 200) + `"` + ".\n"
	var packed, out, err strings.Builder
	assert.Zero(t, run([]string{"-from", "erlang", "-to", "raw", "-compress", "9"}, strings.NewReader(text), &packed, &err))
	assert.Less(t, packed.Len(), 50)
	assert.Zero(t, run(nil, strings.NewReader(packed.String()), &out, &err))
	assert.Equal(t, text, out.String())
	assert.Empty(t, err.String())
}

func TestFilesAreReadInOrder(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	require.NoError(t, os.WriteFile(one, []byte("\x83a\x01"), 0o600))
	require.NoError(t, os.WriteFile(two, []byte("\x83a\x02"), 0o600))
	var out, err strings.Builder
	assert.Equal(t, 0, run([]string{two, "-", one}, strings.NewReader("\x83a\x03"), &out, &err))
	assert.Equal(t, "2.\n3.\n1.\n", out.String())
	assert.Empty(t, err.String())
}

func TestHelp(t *testing.T) {
	var out, err strings.Builder
	assert.Equal(t, 0, run([]string{"-h"}, strings.NewReader(""), &out, &err))
	assert.Contains(t, err.String(), "-packet")
}
