package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

const (
	now  = int64(1_800_000_000_000_000)
	hour = int64(3_600_000_000)
)

// serial numbers the records of all tests.
var serial atomic.Uint64

// record is a new session of a user, for an hour.
func record(user string) *persist.Record {
	n := serial.Add(1)
	var id persist.ID
	binary.BigEndian.PutUint64(id[8:], n)
	return &persist.Record{
		Identity: &persist.Identity{ID: id, UserID: user, CreatedAt: now, Deadline: now + 24*hour, TTL: hour},
		Hash:     sha256.Sum256(id[:]), Version: 1, Data: []byte("{}"), LastActive: now, ExpiresAt: now + hour,
	}
}

func createOp(r *persist.Record, most int) persist.Op {
	return persist.Op{Kind: persist.OpCreate, Record: r, Limit: persist.Limit{Max: most}}
}

func destroyOp(r *persist.Record) persist.Op {
	return persist.Op{Kind: persist.OpDestroy, Ref: r.Ref()}
}

func touchOf(r *persist.Record, at int64) persist.Touch {
	return persist.Touch{Ref: r.Ref(), LastActive: at, ExpiresAt: at + hour}
}

func writeOf(r *persist.Record) persist.Write {
	return persist.Write{
		Ref: r.Ref(), If: r.Version, Next: r.Version + 1, Data: func() []byte { return []byte(`{"w":1}`) }, LastActive: now, ExpiresAt: now + hour,
	}
}

// apply commits a batch that must work.
func apply(t testing.TB, d persist.Backend, b persist.Batch) persist.Result {
	t.Helper()
	b.Now = now
	res, err := d.Apply(context.Background(), &b)
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return res
}

// create stores new sessions of a user.
func create(t testing.TB, d persist.Backend, user string, n int) []*persist.Record {
	t.Helper()
	var b persist.Batch
	var l []*persist.Record
	for range n {
		l = append(l, record(user))
		b.Ops = append(b.Ops, createOp(l[len(l)-1], 0))
	}
	for i, o := range apply(t, d, b).Ops {
		if o.Status != persist.StatusApplied {
			t.Fatalf("create: status %d (%v)", o.Status, o.Err)
		}
		l[i].Key = o.Key
	}
	return l
}

// find reads a session by its token.
func find(t testing.TB, d persist.Backend, r *persist.Record) (persist.Record, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return d.ByHash(ctx, persist.TokenKey{Hash: r.Hash})
}

// server starts a server of the test's own.
func server(t testing.TB, settings ...string) *postgrestest.Server {
	t.Helper()
	s, err := postgrestest.Start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// through starts a proxy in front of an address.
func through(t testing.TB, addr string) *postgrestest.Proxy {
	t.Helper()
	p, err := postgrestest.NewProxy(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// listener is a sink that keeps what it hears.
type listener struct {
	mu     sync.Mutex
	news   chan struct{}
	resets []string
	fresh  int
	began  time.Time
	ages   []time.Duration
	events []persist.Event
}

// watch has a listener hear what a node's feed says, until the test ends.
func watch(t testing.TB, d *postgres.DB) *listener {
	t.Helper()
	l := &listener{began: time.Now(), news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		_ = d.Watch(ctx, l)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

func (l *listener) note(change func()) {
	l.mu.Lock()
	change()
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *listener) Reset(why string)     { l.note(func() { l.resets = append(l.resets, why) }) }
func (l *listener) Now() persist.Instant { return persist.Instant(time.Since(l.began).Microseconds()) }

func (l *listener) Fresh(at persist.Instant) {
	age := time.Duration(l.Now()-at) * time.Microsecond
	l.note(func() { l.fresh++; l.ages = append(l.ages, age) })
}
func (l *listener) Invalidate(e []persist.Event) {
	l.note(func() { l.events = append(l.events, e...) })
}

// until waits for something to have been heard.
func (l *listener) until(t testing.TB, what string, heard func() bool) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		ok := heard()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-l.news:
		case <-late:
			t.Fatalf("%s was not heard: resets %q, %d times fresh", what, l.resets, l.fresh)
		}
	}
}

// untilFresh waits for beats that are sent from now on.
func (l *listener) untilFresh(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	from := l.fresh
	l.mu.Unlock()
	l.until(t, "Fresh", func() bool { return l.fresh > from+1 })
}
