package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The session of PROTOCOL.md, typed into a bare erl shell as it stands there.
func TestSessionOfTheDocument(t *testing.T) {
	erl, err := exec.LookPath("erl")
	if err != nil {
		t.Skip("no erl on the PATH: ", err)
	}
	block := regexp.MustCompile("(?s)```erlang\n(.*?)```").FindStringSubmatch(document(t))
	require.NotNil(t, block)
	session := block[1]

	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	shell := exec.CommandContext(ctx, erl)
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "TERM=dumb")
	shell.Stdin = strings.NewReader(session + "\nio:format(\"typed ~s~n\", [\"all\"]), halt(0).\n")
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", out)

	for _, complaint := range []string{"** ", "exception", "error:", "unbound", "syntax"} {
		assert.NotContains(t, string(out), complaint)
	}
	assert.Contains(t, string(out), "typed all")
	for _, shown := range []string{`{ok,pong}`, `{ok,<<0,5,104,101,108,108,111>>}`, `{tcp,2,<<"world">>}`, `{error,timeout}`, `{error,closed}`, `{gone,3,normal}`} {
		assert.Contains(t, string(out), shown)
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
