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

// A process that closes its store on SIGTERM, while it is working, loses nothing that was acknowledged, not
// even write-behind changes.
func TestKillByTERMLosesNothing(t *testing.T) { // D19, R19
	l := newLoop(t, "")
	for range *rounds / 2 {
		l.cycle(syscall.SIGTERM)
	}
	t.Logf("%d cycles, %v, changes lost %d; the slowest end took %v", *rounds/2, l, l.behind, l.slow.Round(time.Millisecond))
	if l.violations()+l.behind > 0 {
		t.Fatal("promises were broken")
	}
}

// Negative control: a process that ends without Close.
func TestKillByTERMNoticesAStoreThatIsNotClosed(t *testing.T) {
	notice(t, "rude", syscall.SIGTERM, func(l *loop) int { return l.behind })
}

// The process is killed while it creates the file. The next process can open what it left.
func TestKillWhileOpeningLeavesAFileThatOpens(t *testing.T) { // D25, R24
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

// Negative control: a process that creates the file without a transaction.
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

// openingTakes returns how long an undisturbed process needs on this machine, the longest of three.
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

// killOpening kills a process at a random moment while it creates the file, then uses the file. It reports
// whether the process had already finished.
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
