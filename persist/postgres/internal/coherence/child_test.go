//go:build unix

package coherence

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist/postgres"
)

// settings are what the process of a node starts with.
type settings struct {
	URL, FeedURL, Schema string
	Fault                fault // what is broken on purpose
}

// verb names a call of a node.
type verb string

// The calls. The first two are not of the store.
const (
	ping       verb = "ping"
	setClock   verb = "set clock" // Value is how far it is ahead, in nanoseconds
	create     verb = "Create"
	read       verb = "ReadByToken"
	verify     verb = "Verify"
	update     verb = "Update"
	renew      verb = "Renew"
	rotate     verb = "RotateToken"
	destroy    verb = "Destroy"
	destroyAll verb = "DestroyAllForUser"
	barrier    verb = "Barrier"
	flushAll   verb = "Sync"
)

// request asks a node for a call.
type request struct {
	Number          int64
	Verb            verb
	User, ID, Token string `json:",omitempty"`
	Key             string `json:",omitempty"`
	Value           int64  `json:",omitempty"`
}

// reply is the result of a call. Its times are nanoseconds of the process's monotonic clock.
type reply struct {
	Number       int64
	Began, Ended int64
	Outcome      outcome
	Text         string           `json:",omitempty"` // of an unexpected error
	ID, Token    string           `json:",omitempty"`
	Values       map[string]int64 `json:",omitempty"`
}

// outcome is what an error says about a call.
type outcome string

const (
	done     outcome = "done"
	notFound outcome = "not found"
	replaced outcome = "replaced" // a rotation that is done, whose token another node has replaced since
	failed   outcome = "failed"   // with an error that a fault explains; it may be done all the same
	strange  outcome = "an error that no fault explains"
)

func outcomeOf(err error) outcome {
	if err == nil {
		return done
	}
	if _, ok := errors.AsType[*sessile.RotatedError](err); ok {
		return replaced
	}
	if errors.Is(err, sessile.ErrNotFound) {
		return notFound
	}
	for _, explained := range []error{
		sessile.ErrUnavailable, sessile.ErrUnknown, sessile.ErrNotDurable, sessile.ErrConflict, sessile.ErrOverloaded, sessile.ErrClosed,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, explained) {
			return failed
		}
	}
	return strange
}

// patience is how long a call may take.
const patience = 3 * time.Second

// process is a node.
type process struct {
	store *sessile.Store
	fault fault
	start time.Time
	ahead atomic.Int64 // the wall clock, in nanoseconds

	mu  sync.Mutex
	out *json.Encoder
}

// child answers requests until its input ends.
func child(text string) error {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	p := &process{fault: s.Fault, start: time.Now(), out: json.NewEncoder(os.Stdout)}
	if err := p.open(s); err != nil {
		return err
	}
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	var calls sync.WaitGroup
	for {
		var q request
		if in.Decode(&q) != nil {
			break
		}
		calls.Go(func() { p.serve(&q) })
	}
	err := p.store.Close()
	calls.Wait()
	return err
}

func (p *process) open(s settings) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := postgres.Open(ctx, postgres.Config{URL: s.URL, FeedURL: s.FeedURL, Schema: s.Schema})
	if err != nil {
		return err
	}
	cfg := sessile.Config{
		TTL: 24 * time.Hour, CacheSize: 50, MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: time.Second, CloseTimeout: patience,
		Slog: slog.New(slog.DiscardHandler),
	}
	wall := func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }
	bridge.SetClock(&cfg, wall, func() time.Duration { return time.Since(p.start) })
	p.store, err = sessile.New(broken(db, s.Fault), cfg)
	return err
}

// serve makes one call.
func (p *process) serve(q *request) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := reply{Number: q.Number, Began: time.Since(p.start).Nanoseconds()}
	err := p.call(ctx, q, &r)
	r.Ended = time.Since(p.start).Nanoseconds()
	if r.Outcome = outcomeOf(err); r.Outcome == strange {
		r.Text = err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(&r) // it fails if the parent is gone
}

func (p *process) call(ctx context.Context, q *request, r *reply) (err error) {
	id, _ := sessile.ParseID(q.ID)
	token, _ := sessile.ParseToken(q.Token)
	switch q.Verb {
	case setClock:
		p.ahead.Store(q.Value)
	case create:
		var s sessile.Session
		if s, token, err = p.store.Create(ctx, sessile.Meta{}, q.User, nil); err == nil {
			r.ID, r.Token = s.ID().String(), token.Reveal()
		}
	case read, verify:
		return p.read(ctx, q.Verb, token, r)
	case update:
		_, err = p.store.Update(ctx, id, new(sessile.Changes).Set(q.Key, q.Value))
	case renew:
		_, err = p.store.Renew(ctx, id)
	case rotate:
		if token, err = p.store.RotateToken(ctx, id); err == nil {
			r.Token = token.Reveal()
		}
	case destroy:
		err = p.store.Destroy(ctx, id)
	case destroyAll:
		_, err = p.store.DestroyAllForUser(ctx, q.User)
	case barrier:
		if p.fault != barrierThatDoesNotWait {
			err = p.store.Barrier(ctx)
		}
	case flushAll:
		err = p.store.Sync(ctx)
	}
	return err
}

func (p *process) read(ctx context.Context, how verb, t sessile.Token, r *reply) error {
	look := p.store.ReadByToken
	if how == verify {
		look = p.store.Verify
	}
	s, err := look(ctx, t)
	if err != nil {
		return err
	}
	r.ID = s.ID().String()
	return s.Data().Decode(&r.Values)
}
