//go:build unix

package coherence

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// fault is what a node is broken by on purpose, for a control.
type fault string

const (
	none                   fault = ""
	leaseWithoutEnd        fault = "a lease without an end"
	keptRows               fault = "rows that are kept whatever was told while they were read"
	touchesThatInsert      fault = "touches that insert"
	blindWrites            fault = "writes that ignore the version"
	barrierThatDoesNotWait fault = "a barrier that does not wait"
)

// broken returns a backend with a fault.
func broken(b persist.Backend, f fault) persist.Backend {
	switch f {
	case leaseWithoutEnd:
		return persisttest.Hook(b, persisttest.Hooks{Before: persisttest.On(persisttest.Watch, func(c *persisttest.Call) {
			go renewLease(c.Ctx, c.Sink)
			c.Sink = unresetting{c.Sink}
		})})
	case keptRows:
		return keepRows(b)
	case touchesThatInsert:
		return insertTouched(b)
	case blindWrites:
		return persisttest.Hook(b, persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			own := *c.Batch
			own.Writes = slices.Clone(own.Writes)
			for i, w := range own.Writes {
				if r, err := b.ByID(context.Background(), w.Ref.ID); err == nil {
					own.Writes[i].If = r.Version
				}
			}
			c.Batch = &own
		})})
	}
	return b
}

// renewLease says all the time that the feed is fresh.
func renewLease(ctx context.Context, s persist.Sink) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.Fresh(s.Now())
		case <-ctx.Done():
			return
		}
	}
}

// unresetting is a sink that is never told that changes may have been missed.
type unresetting struct{ persist.Sink }

func (unresetting) Reset(string) {}

// losing is a sink that is not told some events.
type losing struct {
	persist.Sink
	lost func(persist.Event) bool
}

func (l losing) Invalidate(events []persist.Event) {
	l.Sink.Invalidate(slices.DeleteFunc(slices.Clone(events), l.lost))
}

// keepRows loses the events of sessions that were read less than a lease before.
func keepRows(b persist.Backend) persist.Backend {
	var when sync.Map // by ID
	lost := func(e persist.Event) bool {
		at, ok := when.Load(e.ID)
		return ok && time.Since(at.(time.Time)) < persist.DefaultLease
	}
	return persisttest.Hook(b, persisttest.Hooks{
		Before: persisttest.On(persisttest.Watch, func(c *persisttest.Call) { c.Sink = losing{c.Sink, lost} }),
		After: func(c *persisttest.Call) {
			if c.Err == nil && (c.Method == persisttest.ByHash || c.Method == persisttest.ByID) {
				when.Store(c.Record.ID, time.Now())
			}
		},
	})
}

// insertTouched creates a session anew that a touch has not found.
func insertTouched(b persist.Backend) persist.Backend {
	var known sync.Map // records by ID
	after := func(c *persisttest.Call) {
		switch {
		case c.Err != nil:
		case c.Method == persisttest.ByHash, c.Method == persisttest.ByID:
			known.Store(c.Record.ID, c.Record)
		case c.Method == persisttest.Apply:
			for _, op := range c.Batch.Ops {
				if op.Kind == persist.OpCreate {
					known.Store(op.Record.ID, *op.Record)
				}
			}
			for i, o := range c.Result.Touches {
				if r, ok := known.Load(c.Batch.Touches[i].Ref.ID); ok && o.Status == persist.StatusGone {
					old := r.(persist.Record)
					_, _ = b.Apply(context.Background(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpCreate, Record: &old}}})
				}
			}
		}
	}
	return persisttest.Hook(b, persisttest.Hooks{After: after})
}
