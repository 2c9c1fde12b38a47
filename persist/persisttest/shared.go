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
		{"the node that changes a session is not told", func(f *fixture, heard *listener) {
			own := listen(f, f.b)
			r, user := f.create(f.record("ann")), f.create(f.record("bob"))
			f.is(f.write(writeTo(r, r.Version, 77)), persist.StatusApplied)
			f.is(f.op(destroyOp(r.ID)), persist.StatusApplied)
			f.op(persist.Op{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: user.UserID}})
			heard.session(f, r.ID)
			own.pastNow(f)
			if len(own.events) > 0 {
				f.Fatalf("it was told %+v", own.events)
			}
		}},
		{"the backend's clock decides where Now is 0", func(f *fixture, heard *listener) {
			wall := time.Now().UnixMicro()
			over, alive := f.lasting("ann", wall-second), f.lasting("ann", wall+hour)
			f.is(f.sharedOp(expireOp(over)), persist.StatusApplied)
			f.is(f.sharedOp(expireOp(alive)), persist.StatusConflict)
			f.op(persist.Op{Kind: persist.OpDestroy, Ref: alive.Ref()})
			heard.session(f, over.ID)

			f.lasting("bob", wall-second) // it is over, and does not count
			f.is(f.sharedOp(createOp(f.record("bob"), persist.Limit{Max: 1, Refuse: true})), persist.StatusApplied)
		}},
		{"a grace keeps what ended less than that ago", func(f *fixture, _ *listener) {
			wall := time.Now().UnixMicro()
			r := f.lasting("ann", wall-10*second)
			op := expireOp(r)
			op.Grace = hour
			f.is(f.sharedOp(op), persist.StatusConflict)
			op.Grace = second
			f.is(f.sharedOp(op), persist.StatusApplied)
		}},
		{"Expired counts from the backend's clock where now is not positive", func(f *fixture, _ *listener) {
			wall := time.Now().UnixMicro()
			r := f.lasting("ann", wall-10*second)
			f.lasting("ann", wall+hour)
			for ago, want := range map[int64]int{0: 1, second: 1, hour: 0} {
				refs, _, err := f.b.Expired(context.Background(), -ago, 0, 10)
				if err != nil || len(refs) != want || want == 1 && refs[0] != r.Ref() {
					f.Fatalf("past their end for %d µs: %v, %v; want %d", ago, refs, err, want)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t)
			if a.Traits().Exclusive || string(a.Traits().StoreKey) != string(b.Traits().StoreKey) {
				t.Fatal("they are not handles of one store")
			}
			f := &fixture{T: t, b: a}
			c.test(f, listen(f, b))
		})
	}
}

// listen watches b until the test ends. It returns when b has begun to listen.
func listen(f *fixture, b persist.Backend) *listener {
	f.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{b: b, news: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		_ = b.Watch(ctx, l)
		close(done)
	}()
	f.Cleanup(func() { cancel(); <-done })
	l.until(f, "a reset", func() bool { return l.resets > 0 })
	return l
}

// listener is a sink that records what it receives.
type listener struct {
	b      persist.Backend
	news   chan struct{}
	mu     sync.Mutex
	resets int
	fresh  bool
	asked  int64           // calls of Now
	at     persist.Instant // the greatest that Fresh was given
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

func (l *listener) Reset(string) { l.note(func() { l.resets++ }) }

// Now counts the calls: an instant is as good as a number here.
func (l *listener) Now() persist.Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	return persist.Instant(l.asked)
}

func (l *listener) Fresh(at persist.Instant) {
	l.note(func() { l.fresh, l.at = true, max(l.at, at) })
}

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

// pastNow waits until everything that was committed before the call has been told.
func (l *listener) pastNow(f *fixture) {
	f.Helper()
	now := l.Now()
	l.until(f, "Fresh", func() bool { return l.at > now })
}

// lasting stores a session that ends at a time, and was active an hour before.
func (f *fixture) lasting(user string, end int64) *persist.Record {
	f.Helper()
	r := f.record(user)
	r.CreatedAt, r.LastActive, r.ExpiresAt = end-2*hour, end-hour, end
	return f.create(r)
}

func expireOp(r *persist.Record) persist.Op { return persist.Op{Kind: persist.OpExpire, Ref: r.Ref()} }

// sharedOp commits one operation as a node does that shares the backend: at the backend's time.
func (f *fixture) sharedOp(op persist.Op) persist.Outcome {
	f.Helper()
	res, err := f.b.Apply(context.Background(), &persist.Batch{Ops: []persist.Op{op}})
	if err != nil || len(res.Ops) != 1 {
		f.Fatalf("Apply: %v, %d outcomes", err, len(res.Ops))
	}
	return res.Ops[0]
}
