package kill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

const (
	workers  = 8
	interval = 20 * time.Millisecond // the child's BatchInterval
)

// The lines that the child prints. It prints a line in lower case before a call and the same line in upper
// case after the acknowledgement, so that the parent knows which calls were in progress.
//
//	c user              a create
//	C user id token
//	r id                a rotation
//	R id token
//	d id                a destroy
//	D id
//	w user              a log-out of all of a user's sessions
//	W user
//	f id n              a durable flush
//	F id n
//	u id n              an update, written behind
//	U id n
func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }

// child works until it is killed, or closes the store on SIGTERM. The variants are broken on purpose, and
// the parent must detect them: "early" acknowledges destroys before it requests them, and "rude" does not
// close. "open" only opens the store and exits. "half" creates a file without a transaction.
func child(path, variant string) error {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	say("start")
	if variant == "half" {
		return half(path)
	}
	store, err := sessile.Open(context.Background(), sessile.Config{
		Path: path, BatchInterval: interval, CacheSize: 32,
		MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup,
	})
	if err != nil {
		return err
	}
	if variant == "open" {
		return store.Close()
	}
	say("open")
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			w := worker{store: store, n: i, variant: variant}
			for w.step() == nil {
			}
		})
	}
	<-terminated
	if variant == "rude" {
		return nil
	}
	err = store.Close() // while the workers are active
	all.Wait()
	return err
}

// half creates a file step by step, and syncs each step long before the next.
func half(path string) error {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return err
	}
	for _, step := range []string{
		"PRAGMA application_id = 0x7365736c", "PRAGMA user_version = 1",
		"CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
	} {
		if err := sqlitex.ExecuteTransient(c, step, nil); err != nil {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
	return c.Close()
}

type worker struct {
	store   *sessile.Store
	n       int
	variant string
	live    []sessile.ID
	value   int
}

func (w *worker) user() string { return fmt.Sprint("user", w.n) }

func (w *worker) step() error {
	ctx := context.Background()
	k := rand.IntN(100)
	if len(w.live) == 0 || k < 25 && len(w.live) < 40 {
		return w.create(ctx)
	}
	i := rand.IntN(len(w.live))
	id := w.live[i]
	w.value++
	switch {
	case k < 45:
		say("r %s", id)
		t, err := w.store.RotateToken(ctx, id)
		if err == nil {
			say("R %s %s", id, t.Reveal())
		}
		return err
	case k < 65:
		w.live = append(w.live[:i], w.live[i+1:]...)
		return w.destroy(ctx, id)
	case k < 67:
		w.live = nil
		say("w %s", w.user())
		_, err := w.store.DestroyAllForUser(ctx, w.user())
		if err == nil {
			say("W %s", w.user())
		}
		return err
	case k < 80:
		say("f %s %d", id, w.value)
		now := time.Now()
		err := w.store.FlushDurable(ctx, id, map[string]int{"n": w.value}, now, now.Add(time.Hour))
		if err == nil {
			say("F %s %d", id, w.value)
		}
		return err
	default:
		say("u %s %d", id, w.value)
		_, err := w.store.Update(ctx, id, new(sessile.Changes).Set("n", w.value))
		if err == nil {
			say("U %s %d", id, w.value)
		}
		return err
	}
}

func (w *worker) create(ctx context.Context) error {
	say("c %s", w.user())
	s, t, err := w.store.Create(ctx, sessile.Meta{}, w.user(), nil)
	if err != nil {
		return err
	}
	say("C %s %s %s", w.user(), s.ID(), t.Reveal())
	w.live = append(w.live, s.ID())
	return nil
}

func (w *worker) destroy(ctx context.Context, id sessile.ID) error {
	say("d %s", id)
	if w.variant == "early" {
		say("D %s", id)
		if _, err := w.store.ListForUser(ctx, w.user()); err != nil { // gives the commit time
			return err
		}
	}
	err := w.store.Destroy(ctx, id)
	if err == nil && w.variant != "early" {
		say("D %s", id)
	}
	return err
}
