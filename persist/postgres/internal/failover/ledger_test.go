package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sessile/sessile"
)

// kind is a kind of breach.
type kind string

const (
	lost       kind = "lost"       // an acknowledged create, change or rotation is missing
	undone     kind = "undone"     // a session that has ended, or a token that was replaced, opens
	unissued   kind = "unissued"   // a session exists that no login explains
	unreadable kind = "unreadable" // an error where nothing fails
	unnamed    kind = "unnamed"    // an error that the documentation does not name
	late       kind = "late"       // a call outlived its deadline
)

// report counts what was acknowledged, and collects the breaches. It is safe for concurrent use.
type report struct {
	mu       sync.Mutex
	acked    map[string]int // by kind of call
	failed   int            // calls with an error
	breaches map[kind][]string
}

func newReport() *report {
	return &report{acked: make(map[string]int), breaches: make(map[kind][]string)}
}

func (r *report) breach(k kind, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.breaches[k] = append(r.breaches[k], fmt.Sprintf(format, args...))
}

// counted adds one call.
func (r *report) counted(call string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed++
		return
	}
	r.acked[call]++
}

// all returns the breaches, as text.
func (r *report) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var l []string
	for _, k := range slices.Sorted(maps.Keys(r.breaches)) {
		for _, what := range r.breaches[k] {
			l = append(l, string(k)+": "+what)
		}
	}
	return l
}

func (r *report) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0
	for _, n := range r.acked {
		total += n
	}
	return fmt.Sprintf("%d acknowledged %v, %d calls failed", total, r.acked, r.failed)
}

// state is what was acknowledged about the end of a session.
type state uint8

const (
	alive  state = iota
	ending       // its end is promised, and may not be stored yet
	ended        // its end is stored
)

// subject is one session, and what was acknowledged of it.
type subject struct {
	id       sessile.ID
	token    sessile.Token   // zero after a rotation of unknown outcome
	replaced []sessile.Token // they must open nothing
	unsure   []sessile.Token // they may open it until the next rotation is acknowledged
	acked    int             // value that was acknowledged last
	tried    int             // value that was tried last
	state    state
	since    time.Time // when state or token changed
}

// open reads a session by its token, or by its ID if nobody knows its token.
func (s *subject) open(ctx context.Context, store *sessile.Store) (sessile.Session, error) {
	if s.token.IsZero() {
		return store.Read(ctx, s.id)
	}
	return store.ReadByToken(ctx, s.token)
}

// check compares a store, with which nothing is wrong, with what was acknowledged of a session.
func (s *subject) check(ctx context.Context, r *report, store *sessile.Store, where string) {
	for _, t := range s.replaced {
		opensNothing(ctx, r, store, t, fmt.Sprintf("%s: a replaced token of session %s", where, s.id))
	}
	if s.state != alive {
		opensNothing(ctx, r, store, s.token, fmt.Sprintf("%s: the token of session %s", where, s.id))
		if _, err := store.Read(ctx, s.id); !errors.Is(err, sessile.ErrNotFound) {
			r.breach(undone, "%s: session %s has ended, and its read returns %v", where, s.id, err)
		}
		return
	}
	got, err := s.open(ctx, store)
	switch {
	case errors.Is(err, sessile.ErrNotFound):
		r.breach(lost, "%s: session %s is not found", where, s.id)
	case err != nil:
		r.breach(unreadable, "%s: session %s: %v", where, s.id, err)
	default:
		s.compare(r, got, where)
	}
}

// compare compares the data of a session.
func (s *subject) compare(r *report, got sessile.Session, where string) {
	n, _, err := sessile.Get[int](got, key)
	if err != nil || n < s.acked || n > s.tried {
		r.breach(lost, "%s: session %s has the value %d, want %d (acknowledged) to %d (tried) (%v)", where, s.id, n, s.acked, s.tried, err)
	}
}

// opensNothing presents a token that must not be valid, if there is one.
func opensNothing(ctx context.Context, r *report, store *sessile.Store, t sessile.Token, what string) {
	if t.IsZero() {
		return
	}
	switch _, err := store.ReadByToken(ctx, t); {
	case err == nil:
		r.breach(undone, "%s opens it", what)
	case !errors.Is(err, sessile.ErrNotFound):
		r.breach(unreadable, "%s: %v", what, err)
	}
}
