package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sessile/sessile/persist"
)

// Faults of one item.
var (
	errKind   = errors.New("unknown kind of operation")
	errRecord = errors.New("create: no record, or a record without an ID")
	errBounds = errors.New("negative Max or Through")
	errText   = errors.New("PostgreSQL stores only valid UTF-8 without NUL")
	errTimes  = fmt.Errorf("%w: its times are missing", persist.ErrCorrupt)
)

func status(s persist.Status) persist.Outcome { return persist.Outcome{Status: s} }

// active reports whether s is before both of its ends.
func (s *session) active(now int64) bool { return now < s.ExpiresAt && now < s.Deadline }

// write replaces data and times.
func (t *transaction) write(w *persist.Write) persist.Outcome {
	s := t.find(w.Ref)
	switch {
	case s == nil:
		return status(persist.StatusGone)
	case s.timesLost:
		return failed(errTimes)
	case s.Version != w.If && s.Version != w.Next:
		return persist.Outcome{Status: persist.StatusConflict, Version: s.Version}
	}
	s.Version, s.Data, s.newData = w.Next, w.Data(), true
	if w.Retime != nil {
		s.retime(w.Retime, w.LastActive, w.ExpiresAt)
	}
	s.LastActive, s.ExpiresAt, s.newTimes = max(s.LastActive, w.LastActive), min(w.ExpiresAt, s.Deadline), true
	t.changed = append(t.changed, s.ID)
	return status(persist.StatusApplied)
}

// retouch applies a touch that has a Retime.
func (t *transaction) retouch(x *persist.Touch) persist.Outcome {
	s := t.find(x.Ref)
	switch {
	case s == nil:
		return status(persist.StatusGone)
	case s.timesLost:
		return failed(errTimes)
	}
	s.retime(x.Retime, x.LastActive, x.ExpiresAt)
	return status(persist.StatusApplied)
}

// retime takes the times of s back.
func (s *session) retime(r *persist.Retime, lastActive, expiresAt int64) {
	s.CreatedAt, s.Deadline, s.AuthAt = r.CreatedAt, r.Deadline, r.AuthAt
	s.LastActive, s.ExpiresAt = lastActive, min(expiresAt, r.Deadline)
	s.newTimes, s.newToken = true, true
	if s.Rotation == nil {
		return
	}
	if s.At = min(s.At, r.RotatedAt); s.Until != persist.Unseen {
		s.Until = min(s.Until, r.Until)
	}
}

// op decides one security operation. What it ends or changes is told to other nodes.
func (t *transaction) op(o *persist.Op) persist.Outcome {
	switch o.Kind {
	case persist.OpCreate:
		return t.create(o)
	case persist.OpRotate:
		return t.rotate(o)
	case persist.OpSeen:
		return t.seen(o)
	case persist.OpDestroy:
		return t.destroy(t.find(o.Ref))
	case persist.OpDestroyUser:
		return t.destroyUser(o)
	case persist.OpExpire:
		return t.expire(t.find(o.Ref), o.Grace)
	default:
		return failed(fmt.Errorf("%w: %d", errKind, o.Kind))
	}
}

func (t *transaction) destroy(s *session) persist.Outcome {
	if s == nil {
		return status(persist.StatusGone)
	}
	t.changed = append(t.changed, s.ID)
	return persist.Outcome{Status: persist.StatusApplied, Removed: t.remove(s)}
}

// destroyUser ends the user's sessions but one, or a piece of them. Guests are nobody's.
func (t *transaction) destroyUser(o *persist.Op) persist.Outcome {
	if o.Max < 0 || o.Through < 0 {
		return failed(errBounds)
	}
	out := status(persist.StatusApplied)
	if o.User.ID == "" {
		return out
	}
	l := slices.DeleteFunc(slices.Clone(t.ofUser(o.User.ID)), func(s *session) bool {
		return s.ID == o.Except || o.Through != 0 && s.Key > o.Through
	})
	slices.SortFunc(l, func(a, b *session) int { return cmp.Compare(a.Key, b.Key) })
	if n := len(l) - o.Max; o.Max > 0 && n > 0 {
		out.Through, l = l[n-1].Key, l[n:]
	}
	out.Removed = t.remove(l...)
	return out
}

func (t *transaction) expire(s *session, grace int64) persist.Outcome {
	switch {
	case s == nil:
		return status(persist.StatusGone)
	case s.timesLost:
		return failed(errTimes)
	case s.active(t.now - grace):
		return status(persist.StatusConflict)
	}
	return t.destroy(s)
}

// rotate gives a session a new token hash, which no session has or had before its last rotation.
func (t *transaction) rotate(o *persist.Op) persist.Outcome {
	s := t.find(o.Ref)
	switch {
	case s == nil:
		return status(persist.StatusGone)
	case s.Hash == o.To: // by a try whose outcome was unknown
		return status(persist.StatusApplied)
	case !s.replaceable(o) || t.byHash[o.To] != nil:
		return status(persist.StatusConflict)
	}
	t.forgetHash(s, s.Hash)
	if s.Rotation != nil {
		t.forgetHash(s, s.Previous)
	}
	s.Hash, s.Rotation, s.newToken = o.To, &persist.Rotation{Previous: o.From, Until: o.Until, At: t.now}, true
	if o.AuthAt != 0 {
		s.AuthAt = o.AuthAt
	}
	t.byHash[o.To], t.byHash[o.From] = s, s
	t.changed = append(t.changed, s.ID)
	return status(persist.StatusApplied)
}

// replaceable reports whether s has the token that a rotation replaces.
func (s *session) replaceable(o *persist.Op) bool {
	if o.Lost == (persist.Hash{}) {
		return s.Hash == o.From
	}
	return s.Hash == o.Lost && s.Rotation != nil && s.Previous == o.From && s.Until == persist.Unseen
}

// seen brings the end of the previous token's grace forward.
func (t *transaction) seen(o *persist.Op) persist.Outcome {
	s := t.find(o.Ref)
	if s == nil {
		return status(persist.StatusGone)
	}
	if s.Rotation != nil && s.Hash == o.To && o.Until < s.Until {
		s.Until, s.newToken = o.Until, true
		t.changed = append(t.changed, s.ID)
	}
	return status(persist.StatusApplied)
}
