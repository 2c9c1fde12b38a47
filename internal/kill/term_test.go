package kill

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// TestKillByTERMLosesNothing: a process that closes its store at a SIGTERM, in the
// middle of its work, loses nothing that was acknowledged, written behind or not (R19, D19).
func TestKillByTERMLosesNothing(t *testing.T) {
	l := newLoop(t, "")
	for range *rounds {
		l.cycle(syscall.SIGTERM)
	}
	t.Logf("%d cycles, %d acknowledgements, %d sessions: creates lost %d, revocations undone %d, replaced tokens alive %d, corrupt %d, changes lost %d; the slowest end took %v",
		*rounds, l.acks, len(l.sessions), l.lost, l.undone, l.resurected, l.corrupt, l.behind, l.slow.Round(time.Millisecond))
	if l.violations()+l.behind > 0 {
		t.Fatal("promises were broken")
	}
}

// The negative control is a process that ends without Close.
func TestKillByTERMNoticesAStoreThatIsNotClosed(t *testing.T) {
	l := newLoop(t, "rude")
	for i := range 50 {
		if l.cycle(syscall.SIGTERM); l.behind > 0 {
			t.Logf("noticed in cycle %d", i+1)
			return
		}
	}
	t.Fatal("50 cycles did not notice")
}

// TestKillWhileOpening: a process that is killed while it makes the file leaves one that
// the next process opens (R24, D25).
func TestKillWhileOpening(t *testing.T) {
	dir := t.TempDir()
	opened := 0
	for i := range *rounds {
		l := newLoop(t, "open")
		l.path = filepath.Join(dir, strconv.Itoa(i))
		cmd, _ := l.start()
		<-time.After(time.Duration(rand.IntN(8000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if cmd.Wait() == nil {
			opened++
		}
		store, err := sessile.Open(context.Background(), sessile.Config{Path: l.path})
		if err != nil {
			t.Fatalf("killed while it was opening, then: %v", err)
		}
		_, token, err := store.Create(context.Background(), sessile.Meta{}, "ann", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := read(t, store, token.Reveal()); !ok {
			t.Error("a login does not work")
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := integrity(l.path); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d processes, %d had finished", *rounds, opened)
}
