package terminal

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/cmd/sessile/internal/terminal/terminaltest"
)

// onTerminal returns what a terminal shows of a progress that lasts for some time.
func onTerminal(t *testing.T, what string, lasts time.Duration, share func() float64) string {
	t.Helper()
	user := terminaltest.Open(t, 50, 24)
	synctest.Test(t, func(*testing.T) {
		p := Streams{Err: user.Line}.Start(what, share)
		<-time.After(lasts)
		p.Stop()
	})
	_ = user.Line.Close()
	return user.All()
}

func TestProgressShowsAShareAndRemovesItsLine(t *testing.T) {
	out := onTerminal(t, "Writing", 1050*time.Millisecond, func() float64 { return 0.5 })
	if !strings.Contains(out, "Writing  ●●●●●●●●●●●●············  50 % 1s") || !strings.HasSuffix(out, "\r\x1b[K") {
		t.Errorf("%q", out)
	}
}

func TestProgressMovesIfTheShareIsUnknown(t *testing.T) {
	out := onTerminal(t, "Checking", 1050*time.Millisecond, nil)
	if strings.Contains(out, "%") || !strings.Contains(out, "·····●···") || !strings.Contains(out, "······●··") {
		t.Errorf("%q", out)
	}
}

func TestProgressShowsNothingForHalfASecond(t *testing.T) {
	if out := onTerminal(t, "Checking", 450*time.Millisecond, nil); out != "" {
		t.Errorf("%q", out)
	}
}

// A line that the terminal wraps cannot be removed.
func TestProgressFitsIntoTheTerminal(t *testing.T) {
	out := onTerminal(t, "Checking "+strings.Repeat("directory/", 9), time.Second, nil)
	for line := range strings.SplitSeq(out, "\r\x1b[K") {
		if n := len([]rune(line)); n > 49 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
