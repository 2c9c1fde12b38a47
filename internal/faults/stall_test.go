package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/harness"
)

// The clock belongs to a synctest bubble. A stall takes no real time, and a late call is late by the whole
// stall.
var stallTime = flag.Duration("stall", 5*time.Second, "how long the disk stalls")

// stall blocks every call of some kinds that starts within d.
func stall(vfs *faultvfs.VFS, d time.Duration, ops ...faultvfs.Op) {
	end := time.Now().Add(d)
	vfs.Set(func(c faultvfs.Call) faultvfs.Verdict {
		if !slices.Contains(ops, c.Op) {
			return faultvfs.Verdict{}
		}
		return faultvfs.Verdict{Delay: time.Until(end)}
	})
}

type login struct {
	id    sessile.ID
	token sessile.Token
}

// stalled is a store on a disk that can stall.
type stalled struct {
	*testing.T
	store  *sessile.Store
	mu     sync.Mutex
	faults []string
}

// Errorf collects failures.
func (s *stalled) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// Error collects failures.
func (s *stalled) Error(args ...any) { s.Errorf("%s", fmt.Sprint(args...)) }

func (s *stalled) login(user string) login {
	s.Helper()
	got, t, err := s.store.Create(context.Background(), sessile.Meta{}, user, nil)
	if err != nil {
		s.Fatal(err)
	}
	return login{got.ID(), t}
}

// durable makes a call with a deadline during the stall. The call must return at its deadline.
func (s *stalled) durable(what string, f func(context.Context) error, want ...error) {
	s.Helper()
	const patience = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	if d := time.Since(began); d < patience || d > patience+50*time.Millisecond {
		s.Errorf("%s took %v, its deadline was after %v", what, d, patience)
	}
	for _, w := range append(want, context.DeadlineExceeded) {
		if !errors.Is(err, w) {
			s.Errorf("%s: %v is not %v", what, err, w)
		}
	}
}

func (s *stalled) reads(l login) bool {
	s.Helper()
	_, err := s.store.ReadByToken(context.Background(), l.token)
	if err != nil && !errors.Is(err, sessile.ErrNotFound) {
		s.Errorf("a read failed: %v", err)
	}
	return err == nil
}

// While the disk stalls, sessions in memory are read and changed as usual. Durable calls return at their
// deadline, and what they reported is true afterwards.
func TestDiskStallDelaysDurableCallsOnly(t *testing.T) { // D16, I9, R11
	for _, f := range stalling(t, 100, faultvfs.Write, faultvfs.Sync, faultvfs.Truncate) {
		t.Error(f)
	}
}

// Negative control: with room for one session in memory, and a disk that stalls reads too, every read
// waits. The test must detect it.
func TestDiskStallNoticesAStoreThatReadsTheDisk(t *testing.T) {
	faults := stalling(t, 1, faultvfs.Write, faultvfs.Sync, faultvfs.Truncate, faultvfs.Read)
	if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, "a hot read") }) {
		t.Errorf("not noticed: %v", faults)
	}
}

// stalling makes every kind of call during a stall, and returns the failures.
func stalling(t *testing.T, inMemory int, ops ...faultvfs.Op) []string {
	t.Helper()
	l := newSweeper(t)
	s := &stalled{}
	synctest.Test(t, func(t *testing.T) {
		s.T = t
		ctx := context.Background()
		setup := harness.Setup{Path: filepath.Join(l.dir, "s.db"), VFS: l.vfs.Name, Hot: inMemory, Max: 10}
		s.open(setup)
		hot, ended, rotated, changed, others, kept := s.login("ann"), s.login("ann"), s.login("ann"), s.login("ann"), s.login("bob"), s.login("bob")
		stall(l.vfs, *stallTime, ops...)
		began := time.Now()
		end := make(chan struct{})
		var readers sync.WaitGroup
		readers.Go(func() { s.readUntil(end, hot) })
		s.calls(hot, ended, rotated, changed, kept)
		if d := time.Since(began); d > time.Second+100*time.Millisecond {
			s.Errorf("the calls waited for each other: %v", d)
		}
		if s.reads(ended) || s.reads(others) {
			s.Error("a destroyed session is good")
		}
		<-time.After(*stallTime - time.Since(began))
		soon, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if err := s.store.Sync(soon); err != nil {
			s.Errorf("it has not caught up two seconds after the stall: %v", err)
		}
		close(end)
		readers.Wait()
		s.after(hot, ended, others, changed)
		l.vfs.Set(nil)
		s.close()
		s.open(setup)
		s.after(hot, ended, others, changed)
		s.close()
	})
	return s.faults
}

func (s *stalled) open(setup harness.Setup) {
	s.Helper()
	var err error
	if s.store, err = setup.Open(context.Background()); err != nil {
		s.Fatal(err)
	}
}

func (s *stalled) close() {
	s.Helper()
	if err := s.store.Close(); err != nil {
		s.Fatalf("Close: %v", err)
	}
}

// readUntil reads a session a hundred times a second. Each read must take no time.
func (s *stalled) readUntil(end chan struct{}, hot login) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-end:
			s.Logf("%d hot reads in a stall of %v", n, *stallTime)
			return
		}
		began := time.Now()
		if !s.reads(hot) || time.Since(began) > 0 {
			s.Errorf("a hot read failed or took %v", time.Since(began))
		}
	}
}

// calls makes every kind of call concurrently.
func (s *stalled) calls(hot, ended, rotated, changed, kept login) {
	var group sync.WaitGroup
	defer group.Wait()
	now := time.Now()
	for what, f := range map[string]func(context.Context) error{
		"update": func(ctx context.Context) error {
			_, err := s.store.Update(ctx, hot.id, new(sessile.Changes).Set("n", 1))
			return err
		},
		"touch": func(ctx context.Context) error { return s.store.Touch(ctx, hot.id, now, now.Add(time.Hour)) },
	} {
		if err := f(context.Background()); err != nil || time.Since(now) > 0 {
			s.Errorf("%s in memory: %v, %v", what, err, time.Since(now))
		}
	}
	group.Go(func() {
		s.durable("create", func(ctx context.Context) error {
			_, _, err := s.store.Create(ctx, sessile.Meta{}, "ann", nil)
			return err
		}) // withdrawn or of unknown outcome, depending on the batches
	})
	group.Go(func() {
		s.durable("destroy", func(ctx context.Context) error { return s.store.Destroy(ctx, ended.id) }, sessile.ErrNotDurable)
	})
	group.Go(func() {
		s.durable("rotate", func(ctx context.Context) error {
			_, err := s.store.RotateToken(ctx, rotated.id)
			return err
		})
	})
	group.Go(func() {
		s.durable("durable update", func(ctx context.Context) error {
			_, err := s.store.UpdateDurable(ctx, changed.id, new(sessile.Changes).Set("n", 1))
			return err
		})
	})
	group.Go(func() {
		s.durable("log-out of the others", func(ctx context.Context) error {
			_, err := s.store.DestroyAllExcept(ctx, "bob", kept.id)
			return err
		}, sessile.ErrNotDurable)
	})
	group.Go(func() { s.durable("sync", s.store.Sync) })
}

// after compares what the calls reported with what is stored.
func (s *stalled) after(hot, ended, others, changed login) {
	s.Helper()
	if s.reads(ended) || s.reads(others) {
		s.Error("a destroyed session is good")
	}
	for _, l := range []login{hot, changed} {
		got, err := s.store.ReadByToken(context.Background(), l.token)
		if err != nil {
			s.Fatalf("a session is lost: %v", err)
		}
		if n, _, err := sessile.Get[int](got, "n"); n != 1 || err != nil {
			s.Errorf("a change is lost: %d, %v", n, err)
		}
	}
	list, err := s.store.ListForUser(context.Background(), "ann")
	if err != nil || len(list) != 3 {
		s.Errorf("ann has %d sessions, want 3: the login that nobody got must be gone; %v", len(list), err)
	}
}
