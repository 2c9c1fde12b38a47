package stress

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

var many = flag.Int("stress.many", 20_000, "expired sessions that a clean-up deletes; a tenth as many are logged out")

// latencies are the durations of the calls of one kind.
type latencies []time.Duration

func (l latencies) at(percent float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(float64(len(l))*percent/100), len(l)-1)]
}

func (l latencies) String() string {
	return fmt.Sprintf("p50 %v, p99 %v, longest %v of %d", l.at(50), l.at(99), l.at(100), len(l))
}

// TestManySessionsLeaveRoomForOthers logs out a user with very many sessions and cleans up very many expired ones.
// Meanwhile others log in and touch sessions in memory. Machines are noisy, so the times are reported, not judged.
func TestManySessionsLeaveRoomForOthers(t *testing.T) {
	path, loggedOut := filepath.Join(t.TempDir(), "s.db"), *many/10
	fillMany(t, path, *many+loggedOut, func(n int) bool { return n%11 == 10 })
	s, err := sessile.Open(t.Context(), sessile.Config{Path: path, MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	idle, touches := others(t, s, func() { <-time.After(max(time.Second, time.Duration(*many)*5*time.Microsecond)) })
	t.Logf("idle: login %v; touch %v", idle, touches)
	for _, x := range []struct {
		what string
		want int
		do   func() (int, error)
	}{
		{"a log-out", loggedOut, func() (int, error) { return s.DestroyAllForUser(context.Background(), "many") }},
		{"a clean-up", *many, func() (int, error) { return s.CleanupExpired(context.Background()) }},
	} {
		beside(t, s, idle, x.what, x.want, func() {
			if n, err := x.do(); err != nil || n != x.want {
				t.Errorf("%s ended %d sessions, want %d: %v", x.what, n, x.want, err)
			}
		})
	}
}

// others measures two hundred logins and as many touches a second while do runs. A touch does not wait for the
// disk, so its longest time is that of a step of the loop.
func others(t *testing.T, s *sessile.Store, do func()) (logins, touches latencies) {
	t.Helper()
	x, _, err := s.Create(t.Context(), sessile.Meta{}, "toucher", nil)
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	var group sync.WaitGroup
	paced := func(l *latencies, call func(n int) error) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-end:
				slices.Sort(*l)
				return
			case <-tick.C:
			}
			began := time.Now()
			if err := call(n); err != nil {
				t.Error(err)
				return
			}
			*l = append(*l, time.Since(began))
		}
	}
	group.Go(func() {
		paced(&logins, func(n int) error {
			_, _, err := s.Create(context.Background(), sessile.Meta{}, fmt.Sprint("user", n), nil)
			return err
		})
	})
	group.Go(func() {
		paced(&touches, func(int) error {
			now := time.Now()
			err := s.Touch(context.Background(), x.ID(), now, now.Add(time.Hour))
			if errors.Is(err, sessile.ErrNotFound) { // everybody is being logged out
				x, _, err = s.Create(context.Background(), sessile.Meta{}, "toucher", nil)
			}
			return err
		})
	})
	do()
	close(end)
	group.Wait()
	return logins, touches
}

// fillMany creates a file with sessions: expired ones, five per user, and active ones of the user "many".
func fillMany(t *testing.T, path string, all int, active func(n int) bool) {
	t.Helper()
	d, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMicro()
	b := persist.Batch{Now: now}
	for n := range all {
		rec := &persist.Record{
			Identity: &persist.Identity{
				UserID: fmt.Sprint("old", n/5), CreatedAt: now - 3_600_000_000, Deadline: persist.NoDeadline, TTL: 60_000_000,
				IPAddress: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", DeviceName: "Firefox on Linux",
			},
			Version: 1, Data: []byte(`{"cart":[1,2,3],"theme":"dark"}`), LastActive: now - 3_600_000_000, ExpiresAt: now - 60_000_000,
		}
		binary.BigEndian.PutUint64(rec.ID[:], uint64(n+1))
		for i := 0; i < len(rec.Hash); i += 8 {
			binary.BigEndian.PutUint64(rec.Hash[i:], rand.Uint64())
		}
		if active(n) {
			rec.UserID, rec.TTL, rec.ExpiresAt = "many", 36_000_000_000, now+36_000_000_000
		}
		if b.Ops = append(b.Ops, persist.Op{Kind: persist.OpCreate, Record: rec}); len(b.Ops) == 10_000 || n == all-1 {
			if _, err := d.Apply(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
			b.Ops = b.Ops[:0]
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
