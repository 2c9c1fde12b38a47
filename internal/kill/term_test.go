package kill

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/ledger"
)

// TestKillByTERMLosesNothing: a process that closes its store at a SIGTERM, in the
// middle of its work, loses nothing that was acknowledged, written behind or not (R19, D19).
func TestKillByTERMLosesNothing(t *testing.T) {
	l := newLoop(t, "")
	for range *rounds / 2 {
		l.cycle(syscall.SIGTERM)
	}
	t.Logf("%d cycles, %v, changes lost %d; the slowest end took %v", *rounds/2, l, l.behind, l.slow.Round(time.Millisecond))
	if l.violations()+l.behind > 0 {
		t.Fatal("promises were broken")
	}
}

// The negative control is a process that ends without Close.
func TestKillByTERMNoticesAStoreThatIsNotClosed(t *testing.T) {
	notice(t, "rude", syscall.SIGTERM, func(l *loop) int { return l.behind })
}

// TestKillWhileOpeningLeavesAFileThatOpens: a process that is killed while it makes the file leaves one that
// the next process opens (R24, D25).
func TestKillWhileOpeningLeavesAFileThatOpens(t *testing.T) {
	dir := t.TempDir()
	takes := openingTakes(t, "open", dir)
	finished := 0
	for i := range *rounds / 2 {
		done, err := killOpening(t, "open", filepath.Join(dir, strconv.Itoa(i)), takes)
		if err != nil {
			t.Fatalf("killed while it was opening, then: %v", err)
		}
		if done {
			finished++
		}
	}
	t.Logf("%d processes killed within %v, %d had finished", *rounds/2, takes.Round(time.Millisecond), finished)
}

// The negative control is a process that makes the file without a transaction.
func TestKillWhileOpeningNoticesAHalfFile(t *testing.T) {
	dir := t.TempDir()
	takes := openingTakes(t, "half", dir)
	for i := range 50 {
		if _, err := killOpening(t, "half", filepath.Join(dir, strconv.Itoa(i)), takes); err != nil {
			t.Logf("noticed in cycle %d: %v", i+1, err)
			return
		}
	}
	t.Fatalf("50 cycles, each killed within %v, did not notice", takes)
}

// openingTakes is how long a process that is not killed needs on this machine, the
// longest of three.
func openingTakes(t *testing.T, variant, dir string) (longest time.Duration) {
	t.Helper()
	for i := range 3 {
		l := newLoop(t, variant)
		l.path = filepath.Join(dir, "whole"+strconv.Itoa(i))
		cmd, _ := l.start()
		began := time.Now()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
	}
	return longest
}

// killOpening kills a process at a random moment of making a file, which takes so
// long, and uses the file. It reports whether the process had finished.
func killOpening(t *testing.T, variant, path string, takes time.Duration) (finished bool, err error) {
	t.Helper()
	l := newLoop(t, variant)
	l.path = path
	cmd, _ := l.start()
	<-time.After(rand.N(takes))
	_ = cmd.Process.Kill() // unless it has finished
	finished = cmd.Wait() == nil
	store, err := sessile.Open(context.Background(), sessile.Config{Path: path})
	if err != nil {
		return finished, err
	}
	_, token, err := store.Create(context.Background(), sessile.Meta{}, "ann", nil)
	if err != nil {
		return finished, errors.Join(err, store.Close())
	}
	if _, err := store.ReadByToken(context.Background(), token); err != nil {
		t.Errorf("a login does not work: %v", err)
	}
	if err := store.Close(); err != nil {
		return finished, err
	}
	for _, v := range ledger.Integrity(path) {
		t.Error(v)
	}
	return finished, nil
}
