package demo

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// The size of a storm: guests who all save at the same time.
const (
	stormGuests = 64
	stormTime   = 10 * time.Second
	stormPause  = 5 * time.Millisecond // between two saves of a guest
	stormBeat   = 250 * time.Millisecond
)

// storm is a load that shows how saves collect in batches. At most one runs.
type storm struct {
	mu      sync.Mutex
	running bool
	before  sessile.Stats // when it began
	last    stormFigures  // of the last one
	saves   atomic.Int64
	tasks   sync.WaitGroup
}

// stormFigures are what the page shows.
type stormFigures struct {
	Saves     int64  `json:"saves"`
	Commits   uint64 `json:"commits"`
	PerCommit string `json:"per_commit"` // saves for each commit
	Pending   int    `json:"pending"`
	Running   bool   `json:"-"`
}

// figures returns those of the storm that runs, or else of the last one.
func (s *storm) figures(now sessile.Stats) stormFigures {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		f := s.last
		f.PerCommit, f.Pending = cmp.Or(f.PerCommit, "–"), now.Pending
		return f
	}
	return s.count(now)
}

func (s *storm) count(now sessile.Stats) stormFigures {
	f := stormFigures{Saves: s.saves.Load(), Commits: now.Batches - s.before.Batches, PerCommit: "–", Pending: now.Pending, Running: s.running}
	if f.Commits > 0 {
		f.PerCommit = strconv.FormatInt(f.Saves/int64(f.Commits), 10)
	}
	return f
}

// startStorm starts a storm, unless one runs. It ends by itself, or when the application closes.
func (a *App) startStorm() bool {
	s := &a.storm
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		return false
	}
	s.running, s.before = true, a.store.Stats()
	s.saves.Store(0)
	s.tasks.Go(a.runStorm)
	return true
}

// runStorm waits for its guests, and keeps the figures.
func (a *App) runStorm() {
	ctx, cancel := context.WithTimeout(context.Background(), stormTime)
	defer cancel()
	var guests sync.WaitGroup
	for range stormGuests {
		guests.Go(func() { a.stormGuest(ctx) })
	}
	guests.Wait()
	a.storm.mu.Lock()
	defer a.storm.mu.Unlock()
	a.storm.running = false
	a.storm.last = a.storm.count(a.store.Stats())
}

// stormGuest saves until ctx ends, and then ends its session.
func (a *App) stormGuest(ctx context.Context) {
	x, _, err := a.store.CreateWith(ctx, sessile.NewSession{Guest: true, Meta: sessile.NewMeta("", "Storm", "")})
	if err != nil {
		a.log.Warn("a guest of the storm got no session", zap.Error(err))
		return
	}
	defer func() {
		if err := a.store.Destroy(context.Background(), x.ID()); err != nil {
			a.log.Warn("ending a session of the storm failed", zap.Error(err))
		}
	}()
	pause := time.NewTicker(stormPause)
	defer pause.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-a.leaving:
			return
		case <-pause.C:
		}
		if _, err := a.store.Update(ctx, x.ID(), new(sessile.Changes).Set(keyCount, n)); err == nil {
			a.storm.saves.Add(1)
		} else if ctx.Err() == nil {
			a.log.Warn("a save of the storm failed", zap.Error(err))
		}
	}
}

func (a *App) stormPage(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	return a.show(w, r, h, "storm", "Save storm", a.storm.figures(a.store.Stats()))
}

func (a *App) postStorm(w http.ResponseWriter, r *http.Request, _ *middleware.Handle) error {
	if !a.startStorm() {
		return &refusal{http.StatusConflict, "A storm is running. It ends in a few seconds."}
	}
	seeOther(w, r, "/storm")
	return nil
}

// stormStream sends the figures several times a second, until the client or the server ends.
func (a *App) stormStream(w http.ResponseWriter, r *http.Request, _ *middleware.Handle) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := &events{w: w, control: http.NewResponseController(w)}
	beat := time.NewTicker(stormBeat)
	defer beat.Stop()
	before := stormFigures{Running: true}
	for out.err == nil {
		f := a.storm.figures(a.store.Stats())
		out.send("snapshot", f)
		if before.Running && !f.Running && f.Saves > 0 {
			out.send("note", map[string]string{"text": fmt.Sprintf("%d saves were written by %d commits.", f.Saves, f.Commits)})
		}
		before = f
		select {
		case <-beat.C:
		case <-r.Context().Done():
			return nil
		case <-a.leaving:
			return nil
		}
	}
	return nil // the client has disconnected
}
