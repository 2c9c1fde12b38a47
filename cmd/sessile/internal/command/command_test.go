package command

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// here runs the command in this process, without a terminal.
func here(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	code = Run(t.Context(), args, nil, terminal.Streams{In: strings.NewReader(""), Out: &b, Err: &b})
	return code, b.String()
}

func TestExitCodes(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.db")
	for _, c := range []struct {
		args  []string
		code  int
		shows string // on either output
	}{
		{nil, exitUsage, "demo"},
		{[]string{"help"}, exitOK, "demo"},
		{[]string{"demo", "-h"}, exitOK, "SESSILE_STORE_TTL"},
		{[]string{"help", "demo"}, exitOK, "SESSILE_STORE_TTL"},
		{[]string{"help", "exit-codes"}, exitOK, "The doctor found a failure"},
		{[]string{"dmeo"}, exitUsage, `unknown command "dmeo". Did you mean demo?`},
		{[]string{"demo", "-nope"}, exitUsage, "-nope"},
		{[]string{"demo", "-addr", "nowhere", "-cookies", "sweet"}, exitUsage, "cookies:"},
		{[]string{"demo", "-db", t.TempDir()}, exitFailed, "opening session store"},
		{[]string{"list", "-o", "xml"}, exitUsage, `"xml" is neither table nor json`},
		{[]string{"list", "--nope"}, exitUsage, "--nope"},
		{[]string{"list", "more"}, exitUsage, "no arguments"},
		{[]string{"show", "1"}, exitUsage, "1 is not the ID of a session"},
		{[]string{"revoke"}, exitUsage, "needs either"},
		{[]string{"revoke", "--all", "--user", "ann"}, exitUsage, "needs either"},
		{[]string{"revoke", "--all", "--except", "01JY5TZX3PQ0R1S2T3V4W5X6Y7"}, exitUsage, "--except needs --user"},
		{[]string{"restore", "b.db", "--revoke-since", "yesterday"}, exitUsage, "yesterday is no time"},
		{[]string{"list", "--db", none}, exitFailed, "there is no session file"},
		{[]string{"top", "--db", none}, exitUnreachable, "no store runs"},
		{[]string{"list", "--socket", none}, exitUnreachable, "no store runs"},
	} {
		if code, out := here(t, c.args...); code != c.code || !strings.Contains(out, c.shows) {
			t.Errorf("%v exits with %d, want %d:\n%s", c.args, code, c.code, out)
		}
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a command created the file")
	}
}

func TestHelpReadsAsItShould(t *testing.T) {
	var all strings.Builder
	for _, args := range [][]string{
		{"help"}, {"list", "-h"}, {"show", "-h"}, {"stats", "-h"}, {"top", "-h"}, {"revoke", "-h"}, {"cleanup", "-h"},
		{"backup", "-h"}, {"restore", "-h"}, {"doctor", "-h"}, {"migrate", "-h"}, {"help", "exit-codes"},
	} {
		code, out := here(t, args...)
		if code != exitOK {
			t.Errorf("%v exits with %d", args, code)
		}
		all.WriteString("$ sessile " + strings.Join(args, " ") + "\n" + out + "\n")
	}
	for line := range strings.Lines(all.String()) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line of %d characters does not fit into a terminal: %s", n, line)
		}
	}
	golden := filepath.Join("testdata", "help.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || all.String() != string(want) {
		t.Errorf("the help differs from %s (%v): look at it, and run the test with -update:\n%s", golden, err, all.String())
	}
}

func TestCompletionNamesVerbsAndSessions(t *testing.T) {
	if _, out := here(t, "__complete", "re"); !strings.Contains(out, "restore") || !strings.Contains(out, "revoke") {
		t.Error(out)
	}
	f := setUp(t)
	f.serve()
	c := f.command("__complete", "revoke", "")
	c.Args = []string{c.Args[0], "__complete", "revoke", "--db", f.file, ""}
	out, err := c.Output()
	if err != nil || !strings.Contains(string(out), f.ids("ann")[0]) {
		t.Errorf("%v: %s", err, out)
	}
}
