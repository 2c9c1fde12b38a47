package bench

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
)

var (
	listBy     = flag.String("list.command", "", "path of the command sessile: lists -large sessions with it while others log in")
	listFile   = flag.String("list.file", "", "session file for that, which is made if it is missing; default: a new one")
	listRounds = flag.Int("list.rounds", 6, "idle and busy phases of the list")
)

const (
	listPhase = 10 * time.Second
	loginGap  = 20 * time.Millisecond // 50 logins a second, on a clock of their own
)

// TestListLeavesTimeForLogins measures what "sessile list --limit 0" costs the store that runs: the p99 of
// logins in phases with and without it, one after the other.
func TestListLeavesTimeForLogins(t *testing.T) {
	if *listBy == "" {
		t.Skip("-list.command is not set")
	}
	path := *listFile
	if path == "" {
		path = filepath.Join(t.TempDir(), "list.db")
	}
	if _, err := os.Stat(path); err != nil {
		h := makeHuge(t, t.TempDir(), *large)
		if err := os.Rename(h.path, path); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, path, 0, nil)
	serveSocket(t, path, s)
	measurePhase(t, s, func() {}) // warms up
	fmt.Printf("list: the first line of a page of 100 after %v, of all after %v\n",
		firstLine(t, path, "--limit", "100"), firstLine(t, path, "--limit", "0", "-q"))

	var idle, busy []time.Duration
	for range *listRounds {
		i := measurePhase(t, s, func() {})
		var ran listRun
		b := measurePhase(t, s, func() { ran = list(t, path) })
		fmt.Printf("list: p99 of a login idle %v, meanwhile %v; %d sessions in %v, %d MB in the command, %d MB in the store\n",
			quantileOf(i, 0.99), quantileOf(b, 0.99), ran.lines, ran.took.Round(time.Millisecond), ran.bytes>>20, int(heap())>>20)
		idle, busy = append(idle, i...), append(busy, b...)
	}
	i, b := quantileOf(idle, 0.99), quantileOf(busy, 0.99)
	fmt.Printf("list: %d rounds: median %v and %v, p99 %v and %v: %.2f times\n", *listRounds, quantileOf(idle, 0.5), quantileOf(busy, 0.5), i, b, float64(b)/float64(i))
}

// serveSocket serves the admin socket until the test ends.
func serveSocket(t *testing.T, path string, s *sessile.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- admin.ListenUnix(ctx, admin.SocketPath(path), s, admin.Options{Logger: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, err := os.Stat(admin.SocketPath(path)); err != nil; _, err = os.Stat(admin.SocketPath(path)) {
		time.Sleep(time.Millisecond)
	}
}

// measurePhase logs users in at a fixed rate, for a phase or as long as meanwhile takes. A login that the store
// makes wait delays no other, and its time counts from when it was due.
func measurePhase(t *testing.T, s *sessile.Store, meanwhile func()) (all []time.Duration) {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		began := time.Now()
		meanwhile()
		time.Sleep(listPhase - time.Since(began))
	}()
	var mu sync.Mutex
	var logins sync.WaitGroup
	ticks := time.NewTicker(loginGap)
	defer ticks.Stop()
	for n := 0; ; n++ {
		select {
		case <-over:
			logins.Wait()
			return all
		case due := <-ticks.C:
			logins.Go(func() {
				_, _, err := s.Create(context.Background(), browser(), fmt.Sprint("someone", n), nil)
				took := time.Since(due)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, took)
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// listRun is one run of the command.
type listRun struct {
	lines int
	took  time.Duration
	bytes int64 // its peak memory
}

// list lists all sessions with the command.
func list(t *testing.T, path string) (r listRun) {
	t.Helper()
	c, out := startList(t, path, "--limit", "0", "-q")
	began := time.Now()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		r.lines++
	}
	if err := errors.Join(lines.Err(), c.Wait()); err != nil {
		t.Error(err)
	}
	r.took = time.Since(began)
	if used, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.bytes = used.Maxrss << 10
	}
	return r
}

func startList(t *testing.T, path string, args ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	c := exec.CommandContext(t.Context(), *listBy, append([]string{"list", "--db", path}, args...)...)
	c.Stderr = io.Discard
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, out
}

// firstLine returns how long the command takes to show something.
func firstLine(t *testing.T, path string, args ...string) time.Duration {
	t.Helper()
	began := time.Now()
	c, out := startList(t, path, args...)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Error(err)
	}
	took := time.Since(began)
	_ = c.Process.Kill() // it may have ended
	_ = c.Wait()
	return took.Round(time.Millisecond)
}

func quantileOf(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(10 * time.Microsecond)
}
