package persisttest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
)

// RunShared tests what [Run] cannot see through one handle: that a backend notifies other nodes.
// open returns two handles of one empty store.
func RunShared(t *testing.T, open func(t *testing.T) (a, b persist.Backend)) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(f *fixture, heard *listener)
	}{
		{"the other node reads what was acknowledged", func(f *fixture, heard *listener) {
			r := f.create(f.record("ann"))
			(&fixture{T: f.T, b: heard.b}).stored(r)
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			(&fixture{T: f.T, b: heard.b}).gone(r)
		}},
		{"a watch begins with a reset, then reports Fresh", func(f *fixture, heard *listener) {
			heard.until(f, "Fresh", func() bool { return heard.fresh })
			if heard.resets != 1 {
				f.Fatalf("%d resets", heard.resets)
			}
		}},
		{"a destroyed session is announced", func(f *fixture, heard *listener) { // S30
			r := f.create(f.record("ann"))
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			heard.session(f, r.ID)
		}},
		{"an evicted session is announced", func(f *fixture, heard *listener) {
			r := f.create(f.record("ann"))
			f.op(createOp(f.record("ann"), persist.Limit{Max: 1}))
			heard.session(f, r.ID)
		}},
		{"a replaced session is announced", func(f *fixture, heard *listener) {
			r := f.create(f.record("ann"))
			f.op(replaceOp(f.record("ann"), persist.Limit{}, r.ID))
			heard.session(f, r.ID)
		}},
		{"an expired session is announced", func(f *fixture, heard *listener) {
			r := f.record("ann")
			r.ExpiresAt = now
			f.create(r)
			f.is(f.op(persist.Op{Kind: persist.OpExpire, Ref: r.Ref()}), persist.StatusApplied)
			heard.session(f, r.ID)
		}},
		{"a rotated session is announced", func(f *fixture, heard *listener) {
			r := f.create(f.record("ann"))
			f.is(f.op(rotateOp(r, f.newHash())), persist.StatusApplied)
			heard.session(f, r.ID)
		}},
		{"a write is announced", func(f *fixture, heard *listener) { // A31
			r := f.create(f.record("ann"))
			f.is(f.write(writeTo(r, r.Version, 77)), persist.StatusApplied)
			heard.session(f, r.ID)
		}},
		{"a logout of a user is announced", func(f *fixture, heard *listener) {
			keep := f.create(f.record("ann"))
			f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: "ann"}, Except: keep.ID})
			want := persist.Event{Kind: persist.EventUserChanged, UserID: "ann", Except: keep.ID}
			heard.until(f, "the event", func() bool { return slices.Contains(heard.events, want) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t)
			if a.Traits().Exclusive || string(a.Traits().StoreKey) != string(b.Traits().StoreKey) {
				t.Fatal("they are not handles of one store")
			}
			ctx, cancel := context.WithCancel(context.Background())
			heard := &listener{b: b, news: make(chan struct{}, 1)}
			done := make(chan struct{})
			go func() {
				_ = b.Watch(ctx, heard)
				close(done)
			}()
			defer func() { cancel(); <-done }()
			f := &fixture{T: t, b: a}
			heard.until(f, "a reset", func() bool { return heard.resets > 0 })
			c.test(f, heard)
		})
	}
}

// listener is a sink that records what it receives.
type listener struct {
	b      persist.Backend
	news   chan struct{}
	mu     sync.Mutex
	resets int
	fresh  bool
	events []persist.Event
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

func (l *listener) Reset(string)        { l.note(func() { l.resets++ }) }
func (l *listener) Fresh(time.Duration) { l.note(func() { l.fresh = true }) }
func (l *listener) Invalidate(what []persist.Event) {
	l.note(func() { l.events = append(l.events, what...) })
}

// until waits until the listener has received something.
func (l *listener) until(f *fixture, what string, told func() bool) {
	f.Helper()
	late := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		ok := told()
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-l.news:
		case <-late:
			f.Fatalf("%s was not announced", what)
		}
	}
}

func (l *listener) session(f *fixture, id persist.ID) {
	f.Helper()
	want := persist.Event{Kind: persist.EventSessionChanged, ID: id}
	l.until(f, "the event", func() bool { return slices.Contains(l.events, want) })
}
