package sessile

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// failedAfter is how long writes may fail before the store calls itself failed
// rather than degraded.
const failedAfter = time.Minute

// slowPending is how many batch intervals a change may wait before the store
// calls itself degraded (I7), but at least slowLeast.
const (
	slowPending = 20
	slowLeast   = 2 * time.Second
)

const overloaded = "calls are refused: there are more than the store can take"

// Stats returns the store's counters and gauges. After Close it returns what was
// counted by readers only.
func (s *Store) Stats() Stats {
	t, _ := s.actor.Stats(context.Background()) // the loop never waits, so this does not either
	return Stats{
		Hits: s.actor.Hits(), EventsDropped: s.actor.EventsDropped(),
		ColdReads: t.ColdReads, UnknownTokens: t.UnknownTokens + s.forged.Load(), Unreadable: t.Unreadable,
		Created: t.Created, Destroyed: t.Destroyed, Evicted: t.Evicted, Expired: t.Expired, Rotated: t.Rotated,
		Touches: t.Touches, TouchesDropped: t.TouchesDropped, Flushes: t.Flushes,
		Batches: t.Batches, BatchItems: t.BatchItems, BatchFailures: t.BatchFailures,
		Conflicts: t.Conflicts, Quarantined: t.Quarantined, Overloaded: t.Overloaded, CacheEvictions: t.CacheEvictions,
		CommitSeconds: newHistogram(t.CommitTimes, actor.FirstCommitTime, 1e6), BatchSizes: newHistogram(t.BatchSizes, actor.FirstBatchSize, 1),
		Hot: t.Hot, HotBytes: t.HotBytes, Pending: t.Pending, PendingBytes: t.PendingBytes,
		Tombstones: t.Tombstones, Loads: t.Loads, Watched: t.Watched, Waiting: t.Waiting,
		OldestPending: time.Duration(t.OldestPending) * time.Microsecond,
	}
}

// Health tells whether the store can keep its promises, and why not.
func (s *Store) Health() Health {
	t, err := s.actor.Stats(context.Background())
	h := Health{OldestPending: time.Duration(t.OldestPending) * time.Microsecond, LastError: t.LastError}
	if t.LastErrorAt > 0 {
		h.LastErrorAt = fromMicros(t.LastErrorAt)
	}
	var info persist.Info
	if i, ok := s.backend.(persist.Inspector); ok && err == nil {
		info = i.Inspect()
		h.FileBytes, h.WALBytes = info.FileBytes, info.WALBytes
	}
	switch {
	case err != nil || s.closed.Load():
		h.State, h.Reason = HealthFailed, "closed"
	case info.Failed != nil:
		h.State, h.Reason = HealthFailed, info.Failed.Error()
	case t.FailingSince > 0 && s.clock.tick()-t.FailingSince > failedAfter.Microseconds(),
		h.OldestPending > failedAfter+slowPending*s.cfg.BatchInterval: // a commit hangs
		h.State, h.Reason = HealthFailed, "nothing has been written for more than a minute"
	default:
		h.Reason = s.degraded(t, h.OldestPending, info)
		if h.Reason != "" {
			h.State = HealthDegraded
		}
	}
	return h
}

// degraded is why the store is not OK, "" if it is.
func (s *Store) degraded(t actor.Stats, oldest time.Duration, info persist.Info) string {
	switch {
	case t.FailingSince > 0:
		return "writes fail and are retried"
	case t.StuckDeletes > 0:
		return "a destroyed session cannot be deleted from disk; it stays refused"
	case t.Full:
		return "too many changes wait for the disk"
	case t.Refusing:
		return overloaded
	case oldest > max(slowPending*s.cfg.BatchInterval, slowLeast):
		return "the disk is slow: changes wait longer than they should"
	case t.LeaseLapsed:
		return "no news from the shared backend: memory is not trusted"
	case info.Warning != "":
		return info.Warning
	}
	if behind := s.clock.behind(); behind > behindLeast {
		return fmt.Sprintf("the wall clock is %v behind the store's time, which never goes back", behind.Round(time.Second))
	}
	return ""
}

// emit passes an event of the middleware's to Config.Events, behind the store's own. It
// never waits.
func (s *Store) emit(e Event) {
	if e.At.IsZero() {
		e.At = s.Now()
	}
	s.actor.Emit(actor.Event{Payload: e})
}

// observe takes the actor's events, one after the other, on a goroutine of its own.
func (s *Store) observe(e actor.Event) {
	if told, ok := e.Payload.(Event); ok {
		s.tell(told)
		return
	}
	out := Event{SessionID: ID(e.ID), UserID: e.UserID, At: fromMicros(e.At), Reason: e.Reason}
	switch e.Kind {
	case actor.EventCreated:
		out.Kind = EventCreated
	case actor.EventRotated:
		out.Kind = EventRotated
	case actor.EventDestroyed:
		out.Kind = EventDestroyed
	case actor.EventExpired:
		out.Kind = EventExpired
	case actor.EventEvicted:
		out.Kind = EventEvicted
	case actor.EventLimitReached:
		out.Kind = EventLimitReached
	case actor.EventQuarantined:
		out.Kind = EventQuarantined
		s.log.Error("a change could not be stored and was given up", zap.Stringer("session", out.SessionID), zap.Error(e.Err))
	default:
		s.observeHealth(e, out)
		return
	}
	s.tell(out)
}

// observeHealth logs and tells what concerns the store as a whole.
func (s *Store) observeHealth(e actor.Event, out Event) {
	out.Kind = EventHealth
	switch e.Kind {
	case actor.EventWriteFailed:
		out.Reason = "writes fail and are retried"
		s.log.Error("writing sessions failed; it is retried", zap.Error(e.Err))
	case actor.EventRecovered:
		out.Reason = "writes succeed again"
		s.log.Info("writing sessions succeeds again")
	case actor.EventCacheReset:
		s.log.Warn("sessions in memory were dropped", zap.String("reason", e.Reason))
	case actor.EventOverloaded:
		out.Reason = overloaded
		s.log.Warn(overloaded)
	case actor.EventRelieved:
		out.Reason = "no call is refused any more"
		s.log.Info(out.Reason)
	case actor.EventSweepFailed:
		out.Reason = "expired sessions could not be deleted"
		s.log.Warn("cleaning up expired sessions failed; the next sweep tries again", zap.Error(e.Err))
	}
	s.tell(out)
}

func (s *Store) tell(e Event) {
	if s.cfg.Events != nil {
		s.cfg.Events(e)
	}
}
