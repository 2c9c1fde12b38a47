package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// proxied is a store behind a proxy. It gives up after two seconds.
func proxied(t *testing.T) (*postgres.DB, *postgrestest.Proxy) {
	cfg := fresh(t) // before the proxy: what a frozen connection locks cannot be dropped
	p := through(t, mustHost(t))
	cfg.FeedURL, cfg.URL = cfg.URL, withHost(t, p.Addr())
	cfg.ApplyTimeout, cfg.ReadTimeout = 2*time.Second, 2*time.Second // the machine may be busy
	return open(t, cfg), p
}

// The outcome is unknown once COMMIT was sent, whether the server has got it or not, and never before.
func TestBatchIsUnknownOnlyAfterCommitWasSent(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		forward bool
		want    error
	}{
		"the request to begin is lost":  {"BEGIN", false, persist.ErrUnavailable},
		"the answer to begin is lost":   {"BEGIN", true, persist.ErrUnavailable},
		"the request to commit is lost": {"\x00COMMIT\x00", false, persist.ErrUnknown},
		"the answer to commit is lost":  {"\x00COMMIT\x00", true, persist.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			d, p := proxied(t)
			create(t, d, "ann", 1) // pgx now knows what the statements return
			r := record("ann")
			b := persist.Batch{Now: now, Ops: []persist.Op{createOp(r, 5)}}
			p.FreezeAt(c.text, c.forward)
			if _, err := d.Apply(context.Background(), &b); !errors.Is(err, c.want) {
				t.Fatalf("Apply: %v, want %v", err, c.want)
			}
			var res persist.Result
			err := errors.New("not tried")
			for try := 0; err != nil && try < 20; try++ { // until the server has ended what it holds
				res, err = d.Apply(context.Background(), &b)
			}
			if err != nil || res.Ops[0].Status != persist.StatusApplied {
				t.Fatalf("again: %v", err)
			}
			if got, err := find(t, d, r); err != nil || got.Key != res.Ops[0].Key {
				t.Fatalf("key %d, want %d (%v)", got.Key, res.Ops[0].Key, err)
			}
		})
	}
}

// All connections hang. One batch and one read may fail of it, and the next ones have new connections.
func TestFrozenConnectionsAreReplaced(t *testing.T) {
	d, p := proxied(t)
	r := create(t, d, "ann", 2)
	p.Freeze()
	if _, err := d.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r[0])}}); err != nil && !errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("Apply: %v", err)
	}
	apply(t, d, persist.Batch{Ops: []persist.Op{destroyOp(r[0])}})
	p.Freeze()
	if _, err := find(t, d, r[1]); err != nil && !errors.Is(err, persist.ErrUnavailable) {
		t.Fatalf("ByHash: %v", err)
	}
	if _, err := find(t, d, r[1]); err != nil {
		t.Fatalf("ByHash again: %v", err)
	}
}

// pgx alone would take 15 s for each connection that hangs.
func TestCloseDoesNotWaitForConnectionsThatHang(t *testing.T) {
	d, p := proxied(t)
	r := create(t, d, "ann", 1)[0]
	if _, err := find(t, d, r); err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	_, _ = d.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r)}})
	began := time.Now()
	_ = d.Close()
	if took := time.Since(began); took > 8*time.Second {
		t.Fatalf("Close took %v", took)
	}
}

func TestConnectionsThatAreCutAreReplaced(t *testing.T) {
	d, p := proxied(t)
	r := create(t, d, "ann", 2)
	p.Cut()
	apply(t, d, persist.Batch{Ops: []persist.Op{destroyOp(r[0])}, Touches: []persist.Touch{touchOf(r[1], now)}})
	if _, err := find(t, d, r[1]); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if _, err := find(t, d, r[1]); err != nil {
		t.Fatal(err)
	}
	apply(t, d, persist.Batch{Touches: []persist.Touch{touchOf(r[1], now)}})
}

// A write that may be committed changes nothing at the second time.
func TestWriteOverAConnectionThatIsCutIsRepeated(t *testing.T) {
	d, p := proxied(t)
	r := create(t, d, "ann", 1)[0]
	p.Cut()
	res := apply(t, d, persist.Batch{Writes: []persist.Write{writeOf(r)}})
	if res.Writes[0].Status != persist.StatusApplied {
		t.Fatalf("status %d", res.Writes[0].Status)
	}
	if got, err := find(t, d, r); err != nil || got.Version != r.Version+1 {
		t.Fatalf("version %d (%v)", got.Version, err)
	}
}

// The answer to a commit is lost, and another node changes the session before the write is repeated.
func TestWriteThatIsCommittedAndOvertakenIsUnknown(t *testing.T) {
	cfg := fresh(t)
	other := open(t, cfg)
	p := through(t, mustHost(t))
	cfg.FeedURL, cfg.URL = cfg.URL, withHost(t, p.Addr())
	d := open(t, cfg)
	r := create(t, d, "ann", 1)[0]
	apply(t, d, persist.Batch{Writes: []persist.Write{writeOf(r)}}) // pgx now knows what the statements return
	r.Version++
	p.FreezeAt("\x00COMMIT\x00", true)
	ended := make(chan error, 1)
	go func() {
		_, err := d.Apply(context.Background(), &persist.Batch{Now: now, Writes: []persist.Write{writeOf(r)}})
		ended <- err
	}()
	next := *r
	for next.Version++; ; {
		if got, err := find(t, other, r); err != nil || got.Version == next.Version {
			break
		}
	}
	apply(t, other, persist.Batch{Writes: []persist.Write{writeOf(&next)}})
	p.Cut()
	if err := <-ended; !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("Apply: %v, want ErrUnknown", err)
	}
}

func TestReadOfACallerWhoLeavesEndsWhileTheServerHangs(t *testing.T) {
	d, p := proxied(t)
	r := create(t, d, "ann", 1)[0]
	resume := p.Stall()
	defer resume()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.ByID(ctx, r.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ByID: %v", err)
	}
	if _, err := d.ByUser(ctx, persist.UserKey{ID: "ann"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ByUser: %v", err)
	}
}

// The server is killed while two nodes work. What they acknowledged is there, and they go on without being opened again.
func TestStoreSurvivesTheDeathOfItsServer(t *testing.T) {
	s := server(t)
	cfg := postgres.Config{URL: s.URL()}.WithLease(300 * time.Millisecond)
	nodes := []*postgres.DB{open(t, cfg), open(t, cfg)}
	heard := watch(t, nodes[0])
	heard.untilFresh(t)
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var failed, recovered atomic.Bool
	there, gone := make([][]*persist.Record, 2), make([][]*persist.Record, 2)
	acked := make(chan struct{}, 1)
	for i, d := range nodes {
		all.Go(func() {
			for ctx.Err() == nil {
				r := record("ann")
				if !work(t, d, createOp(r, 0), &failed) {
					continue
				}
				if failed.Load() {
					recovered.Store(true)
				}
				select {
				case acked <- struct{}{}:
				default:
				}
				if len(there[i]) > len(gone[i]) && work(t, d, destroyOp(r), &failed) {
					gone[i] = append(gone[i], r)
				} else if len(there[i]) <= len(gone[i]) {
					there[i] = append(there[i], r)
				}
			}
		})
	}
	for range 40 {
		<-acked
	}
	s.Kill()
	heard.until(t, "Reset", func() bool { return len(heard.resets) >= 2 })
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	heard.untilFresh(t)
	for !recovered.Load() {
		<-acked
	}
	stop()
	all.Wait()
	for i := range nodes {
		for _, r := range there[i] {
			if _, err := find(t, nodes[1-i], r); err != nil {
				t.Errorf("an acknowledged session: %v", err)
			}
		}
		for _, r := range gone[i] {
			if _, err := find(t, nodes[1-i], r); !errors.Is(err, persist.ErrNotFound) {
				t.Errorf("an acknowledged destroy: %v", err)
			}
		}
	}
	t.Logf("%d sessions and %d destroys", len(there[0])+len(there[1]), len(gone[0])+len(gone[1]))
}

// work applies one operation and reports whether it was acknowledged.
func work(t *testing.T, d *postgres.DB, op persist.Op, failed *atomic.Bool) bool {
	res, err := d.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{op}})
	if err != nil {
		failed.Store(true)
		if !errors.Is(err, persist.ErrUnavailable) && !errors.Is(err, persist.ErrUnknown) {
			t.Errorf("Apply: %v", err)
		}
		return false
	}
	return res.Ops[0].Status == persist.StatusApplied
}

func TestTooManyConnectionsAreUnavailableUntilThereIsRoom(t *testing.T) {
	s := server(t, "max_connections=12")
	d := open(t, postgres.Config{URL: s.URL()})
	r := create(t, d, "ann", 1)[0]
	var hogs []*pgx.Conn
	for {
		c, err := pgx.Connect(context.Background(), s.URL())
		if err != nil {
			break
		}
		hogs = append(hogs, c)
	}
	const others = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sessile'`
	for { // a place becomes free a moment after its connection has ended, and the store takes it too
		ended, err := hogs[0].Exec(context.Background(), others)
		if err != nil {
			t.Fatal(err)
		}
		c, err := pgx.Connect(context.Background(), s.URL())
		if err == nil {
			hogs = append(hogs, c)
		} else if ended.RowsAffected() == 0 {
			break
		}
	}
	if _, err := d.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r)}}); !errors.Is(err, persist.ErrUnavailable) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := find(t, d, r); !errors.Is(err, persist.ErrUnavailable) {
		t.Errorf("ByHash: %v", err)
	}
	for _, c := range hogs {
		_ = c.Close(context.Background())
	}
	err := errors.New("not tried")
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); { // the server takes a moment to notice
		_, err = d.Apply(context.Background(), &persist.Batch{Now: now, Ops: []persist.Op{destroyOp(r)}})
	}
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// PgBouncer in transaction mode gives every transaction another connection. The feed goes past it.
func TestStoreWorksThroughPgBouncer(t *testing.T) {
	s := server(t)
	b, err := postgrestest.StartBouncer(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	n := 0
	persisttest.RunShared(t, func(t *testing.T) (x, y persist.Backend) {
		n++
		cfg := postgres.Config{URL: b.URL(), FeedURL: s.URL(), Schema: "bounced" + string(rune('a'+n))}
		return open(t, cfg), open(t, cfg)
	})
	cfg := postgres.Config{URL: b.URL(), FeedURL: s.URL()}
	nodes := []*postgres.DB{open(t, cfg), open(t, cfg)}
	everything(t, nodes[0])
	var all sync.WaitGroup
	for _, d := range nodes {
		for range 8 {
			all.Go(func() {
				for range 20 {
					if _, err := find(t, d, record("nobody")); !errors.Is(err, persist.ErrNotFound) {
						t.Errorf("ByHash: %v", err)
					}
				}
			})
		}
		all.Go(func() {
			for range 20 {
				everything(t, d)
			}
		})
	}
	all.Wait()
}

// Without a FeedURL the feed goes through it too.
func TestOpenRefusesPgBouncerWithoutAFeedURL(t *testing.T) {
	s := server(t)
	b, err := postgrestest.StartBouncer(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	_, err = postgres.Open(t.Context(), postgres.Config{URL: b.URL(), ConnectTimeout: 2 * time.Second})
	if !errors.Is(err, postgres.ErrInvalidConfig) || !strings.Contains(err.Error(), "FeedURL") {
		t.Fatalf("Open: %v", err)
	}
}
