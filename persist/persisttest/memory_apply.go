package persisttest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/sessile/sessile/persist"
)

// Failures of one item, like the constraints of a schema.
var (
	errKind   = errors.New("unknown kind of operation")
	errRecord = errors.New("create: no record, or a record without an ID")
	errBounds = errors.New("negative Max or Through")
)

func (m *Memory) write(w *persist.Write) persist.Outcome {
	r := m.row(w.Ref)
	switch {
	case r == nil:
		return persist.Outcome{Status: persist.StatusGone}
	case r.Version != w.If && r.Version != w.Next:
		return persist.Outcome{Status: persist.StatusConflict, Version: r.Version}
	}
	r.Version = w.Next
	r.Data = slices.Clone(w.Data())
	if w.Retime != nil {
		retime(r, *w.Retime, w.LastActive, w.ExpiresAt)
	}
	r.LastActive = max(r.LastActive, w.LastActive)
	r.ExpiresAt = min(w.ExpiresAt, r.Deadline)
	return persist.Outcome{Status: persist.StatusApplied}
}

func (m *Memory) touch(t *persist.Touch) persist.Outcome {
	r := m.row(t.Ref)
	if r == nil {
		return persist.Outcome{Status: persist.StatusGone}
	}
	if t.Retime != nil {
		retime(r, *t.Retime, t.LastActive, t.ExpiresAt)
	}
	if t.LastActive >= r.LastActive {
		r.LastActive, r.ExpiresAt = t.LastActive, min(t.ExpiresAt, r.Deadline)
	}
	return persist.Outcome{Status: persist.StatusApplied}
}

// retime takes the times of r back.
func retime(r *persist.Record, t persist.Retime, lastActive, expiresAt int64) {
	r.CreatedAt, r.Deadline, r.AuthAt = t.CreatedAt, t.Deadline, t.AuthAt
	r.LastActive, r.ExpiresAt = lastActive, min(expiresAt, t.Deadline)
	if r.Rotation == nil {
		return
	}
	if r.At = min(r.At, t.RotatedAt); r.Until != persist.Unseen {
		r.Until = min(r.Until, t.Until)
	}
}

func (m *Memory) op(now int64, op *persist.Op) persist.Outcome {
	switch op.Kind {
	case persist.OpCreate:
		return m.create(now, op)
	case persist.OpRotate:
		return m.rotate(now, op)
	case persist.OpSeen:
		return m.seen(op)
	case persist.OpDestroy:
		return m.destroy(op)
	case persist.OpDestroyUser:
		return m.destroyUser(op)
	case persist.OpExpire:
		return m.expire(now, op)
	default:
		return failed(fmt.Errorf("%w %d", errKind, op.Kind))
	}
}

func failed(err error) persist.Outcome {
	return persist.Outcome{Status: persist.StatusFailed, Err: err}
}

func (m *Memory) create(now int64, op *persist.Op) persist.Outcome {
	if op.Record == nil || op.Record.Identity == nil || op.Record.ID.IsZero() {
		return failed(errRecord)
	}
	if o, known := m.known(op.Record); known {
		return o
	}
	surplus := m.surplus(now, op)
	if op.Limit.Refuse && len(surplus) > 0 {
		return persist.Outcome{Status: persist.StatusFull}
	}
	o := persist.Outcome{Status: persist.StatusApplied, Removed: m.remove(append(m.replaced(op), surplus...))}
	n := clone(op.Record)
	n.ExpiresAt = min(n.ExpiresAt, n.Deadline)
	m.seq += keyStep
	n.Key, o.Key = m.seq, m.seq
	m.rows[n.ID], m.tokens[n.Hash] = &n, &n
	if n.Rotation != nil {
		m.tokens[n.Previous] = &n
	}
	return o
}

// known answers for a create whose id or hash is there already.
func (m *Memory) known(n *persist.Record) (persist.Outcome, bool) {
	if r := m.rows[n.ID]; r != nil && r.Hash == n.Hash {
		return persist.Outcome{Status: persist.StatusApplied, Key: r.Key}, true
	}
	return persist.Outcome{Status: persist.StatusConflict}, m.rows[n.ID] != nil || m.tokens[n.Hash] != nil
}

// replaced returns the session that a new one of the same user takes the place of.
func (m *Memory) replaced(op *persist.Op) []*persist.Record {
	if r := m.rows[op.Replaces]; r != nil && r.UserID != "" && r.UserID == op.Record.UserID {
		return []*persist.Record{r}
	}
	return nil
}

// surplus returns the sessions that must go for one more to come, first to go first.
func (m *Memory) surplus(now int64, op *persist.Op) []*persist.Record {
	if op.Limit.Max <= 0 {
		return nil
	}
	l := m.ofUser(op.Record.UserID)
	if op.Record.UserID == "" { // in the order of their keys
		slices.SortStableFunc(l, func(a, b *persist.Record) int { return cmp.Compare(a.LastActive, b.LastActive) })
	} else {
		l = slices.DeleteFunc(l, func(r *persist.Record) bool {
			return !active(r, now) || r.ID == op.Replaces || (r.Flags^op.Record.Flags)&persist.APIToken != 0
		})
		slices.SortFunc(l, func(a, b *persist.Record) int {
			return cmp.Or(cmp.Compare(a.LastActive, b.LastActive), bytes.Compare(a.ID[:], b.ID[:]))
		})
	}
	return l[:max(0, len(l)-(op.Limit.Max-1))]
}

func (m *Memory) rotate(now int64, op *persist.Op) persist.Outcome {
	r := m.row(op.Ref)
	switch {
	case r == nil:
		return persist.Outcome{Status: persist.StatusGone}
	case r.Hash == op.To:
		return persist.Outcome{Status: persist.StatusApplied}
	case !replaceable(r, op) || m.tokens[op.To] != nil:
		return persist.Outcome{Status: persist.StatusConflict}
	}
	rot := persist.Rotation{Previous: op.From, Until: op.Until, At: now}
	if op.AuthAt != 0 {
		r.AuthAt = op.AuthAt
	}
	delete(m.tokens, op.Lost)
	if r.Rotation != nil && op.Lost == (persist.Hash{}) {
		delete(m.tokens, r.Previous)
	}
	r.Hash, r.Rotation = op.To, &rot
	m.tokens[op.To] = r
	return persist.Outcome{Status: persist.StatusApplied}
}

// replaceable reports whether a session has the token that a rotation replaces.
func replaceable(r *persist.Record, op *persist.Op) bool {
	if op.Lost == (persist.Hash{}) {
		return r.Hash == op.From
	}
	return r.Hash == op.Lost && r.Rotation != nil && r.Previous == op.From && r.Until == persist.Unseen
}

func (m *Memory) seen(op *persist.Op) persist.Outcome {
	r := m.row(op.Ref)
	if r == nil {
		return persist.Outcome{Status: persist.StatusGone}
	}
	if r.Rotation != nil && r.Hash == op.To {
		r.Until = min(r.Until, op.Until)
	}
	return persist.Outcome{Status: persist.StatusApplied}
}

func (m *Memory) destroy(op *persist.Op) persist.Outcome {
	r := m.row(op.Ref)
	if r == nil {
		return persist.Outcome{Status: persist.StatusGone}
	}
	return persist.Outcome{Status: persist.StatusApplied, Removed: m.remove([]*persist.Record{r})}
}

func (m *Memory) destroyUser(op *persist.Op) persist.Outcome {
	if op.Max < 0 || op.Through < 0 {
		return failed(errBounds)
	}
	l := slices.DeleteFunc(m.ofUser(op.User.ID), func(r *persist.Record) bool {
		return r.ID == op.Except || op.User.ID == "" || op.Through != 0 && r.Key > op.Through
	})
	o := persist.Outcome{Status: persist.StatusApplied}
	if n := len(l) - op.Max; op.Max > 0 && n > 0 {
		o.Through = l[n-1].Key
		l = l[n:]
	}
	o.Removed = m.remove(l)
	return o
}

func (m *Memory) expire(now int64, op *persist.Op) persist.Outcome {
	if r := m.row(op.Ref); r != nil && active(r, now-op.Grace) {
		return persist.Outcome{Status: persist.StatusConflict}
	}
	return m.destroy(op)
}

// remove deletes the sessions and tells which they were.
func (m *Memory) remove(l []*persist.Record) []persist.Removed {
	var gone []persist.Removed
	for _, r := range l {
		delete(m.rows, r.ID)
		delete(m.tokens, r.Hash)
		if r.Rotation != nil {
			delete(m.tokens, r.Previous)
		}
		gone = append(gone, persist.Removed{ID: r.ID, Hash: r.Hash, UserID: r.UserID})
	}
	return gone
}
