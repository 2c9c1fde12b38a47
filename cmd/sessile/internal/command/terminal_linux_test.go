package command

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/sessile/sessile/cmd/sessile/internal/terminal/terminaltest"
)

// onTerminal runs a command on a terminal. answer presses keys, and may be nil.
func (f *fixture) onTerminal(columns uint16, answer func(*terminaltest.Terminal), args ...string) (code int, out string) {
	f.Helper()
	user, c := terminaltest.Open(f.T, columns, 24), f.command(args...)
	user.Start(c)
	if answer != nil {
		answer(user)
	}
	out = user.All()
	_ = c.Wait() // the exit code says it
	return c.ProcessState.ExitCode(), out
}

func TestRevokeAsksOnATerminal(t *testing.T) {
	both(t, func(f *fixture) {
		question := `End every session of every user and guest? Type "everybody": `
		for _, keys := range []string{"y\n", "no\n", "\n", "\x04", "\x03"} { // the last two are the end of the input and Ctrl-C
			code, out := f.onTerminal(80, func(user *terminaltest.Terminal) { user.Until(question); user.Type(keys) }, "revoke", "--all")
			if code != exitDeclined || !strings.HasSuffix(out, "\r\nsessile: not confirmed: nothing was done\r\n") {
				f.Errorf("%q: exits with %d: %q", keys, code, out)
			}
		}
		if ids := f.ids(""); len(ids) != 3 {
			f.Fatalf("left: %v", ids)
		}
		code, out := f.onTerminal(80, func(user *terminaltest.Terminal) {
			user.Until("End 2 sessions of the user ann? [y/N] ")
			user.Type("y\n")
		}, "revoke", "--user", "ann")
		if code != exitOK || !strings.Contains(out, "2 sessions ended.") {
			f.Errorf("exits with %d: %q", code, out)
		}
		if code, out := f.onTerminal(80, nil, "revoke", "--user", "ann"); code != exitOK || out != "0 sessions ended.\r\n" {
			f.Errorf("exits with %d: %q", code, out)
		}
		code, out = f.onTerminal(80, func(user *terminaltest.Terminal) { user.Until(question); user.Type("everybody\n") }, "revoke", "--all")
		if code != exitOK || !strings.Contains(out, "1 session ended.") {
			f.Errorf("exits with %d: %q", code, out)
		}
	})
}

// styles are the sequences that the command itself writes.
var styles = regexp.MustCompile(`\x1b\[(\?1049[hl]|\?25[hl]|[HJK]|[0-9;]*m)`)

// fits fails the test if a line is wider than the terminal, or if a text could act on it.
func (f *fixture) fits(out string, columns int, args ...string) {
	f.Helper()
	plain := styles.ReplaceAllString(out, "")
	f.visible(strings.ReplaceAll(plain, "\r", ""), args)
	for line := range strings.SplitSeq(plain, "\n") {
		if n := text.StringWidth(strings.TrimSuffix(line, "\r")); n > columns {
			f.Errorf("%v: %d of %d columns: %q", args, n, columns, line)
		}
	}
}

func TestOutputFitsIntoTheTerminal(t *testing.T) {
	f := setUp(t)
	f.serve()
	for _, columns := range []uint16{80, 50} {
		for _, args := range [][]string{{"list"}, {"stats"}, {"doctor"}, {"show", f.ids("")[0]}} {
			code, out := f.onTerminal(columns, nil, args...)
			if code != exitOK || args[0] != "list" && strings.Contains(out, "…") {
				t.Errorf("%v exits with %d, or cuts a value:\n%s", args, code, out)
			}
			f.fits(out, int(columns), args...)
		}
		interrupt := func(user *terminaltest.Terminal) { user.Until(" ok "); user.Type("\x03") }
		code, out := f.onTerminal(columns, interrupt, "stats", "--watch", "--interval", "100ms")
		if code != exitOK {
			t.Errorf("stats --watch exits with %d", code)
		}
		f.fits(strings.ReplaceAll(out, "^C", ""), int(columns), "stats", "--watch")
	}
}

func TestTopShowsTheStoreAndGivesTheTerminalBack(t *testing.T) {
	f := setUp(t)
	f.serve()
	for _, columns := range []uint16{120, 80, 50, 20} {
		leave := func(user *terminaltest.Terminal) { user.Until("q leaves"); user.Type("q") }
		code, out := f.onTerminal(columns, leave, "top")
		if code != exitOK || !strings.HasPrefix(out, "\x1b[?1049h") || !strings.HasSuffix(out, "\x1b[?25h\x1b[?1049l") {
			t.Errorf("exits with %d: %q", code, out)
		}
		if columns >= 80 && !strings.Contains(out, "ann") {
			t.Errorf("no session: %q", out)
		}
		f.fits(out, int(columns), "top")
	}
}
