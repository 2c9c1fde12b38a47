package postgres

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/sessile/sessile/persist"
)

// checkRecord returns why a record cannot be stored, nil if it can.
func checkRecord(r *persist.Record) error {
	if r == nil || r.Identity == nil || r.ID.IsZero() {
		return errRecord
	}
	for _, s := range []string{r.UserID, r.IPAddress, r.UserAgent, r.DeviceName, r.DeviceType, r.Fingerprint} {
		if !storable(s) {
			return errText
		}
	}
	return nil
}

// create inserts a session, and ends what it replaces and what is beyond the limit.
func (t *transaction) create(o *persist.Op) persist.Outcome {
	if err := checkRecord(o.Record); err != nil {
		return failed(err)
	}
	n := o.Record
	if s := t.byID[n.ID]; s != nil && s.Hash == n.Hash {
		return persist.Outcome{Status: persist.StatusApplied, Key: s.Key}
	}
	if t.byID[n.ID] != nil || t.byHash[n.Hash] != nil {
		return status(persist.StatusConflict)
	}
	surplus := t.surplus(o)
	if o.Limit.Refuse && len(surplus) > 0 {
		return status(persist.StatusFull)
	}
	out := persist.Outcome{Status: persist.StatusApplied, Key: t.keys[0], Removed: t.remove(append(t.replaced(o), surplus...)...)}
	for _, x := range out.Removed {
		t.changed = append(t.changed, x.ID)
	}
	t.keys = t.keys[1:]
	t.insert(n, out.Key)
	return out
}

// insert takes a copy of a new record into the working set.
func (t *transaction) insert(n *persist.Record, key int64) {
	s, id := &session{Record: *n}, *n.Identity
	id.Key, s.Identity = key, &id
	if n.Rotation != nil {
		rot := *n.Rotation
		s.Rotation = &rot
	}
	s.ExpiresAt = min(s.ExpiresAt, s.Deadline)
	t.add(s)
	if s.UserID == "" {
		t.guests.created(s)
	}
}

// replaced returns the session that a new one of the same user takes the place of.
func (t *transaction) replaced(o *persist.Op) []*session {
	if s := t.byID[o.Replaces]; s != nil && s.UserID != "" && s.UserID == o.Record.UserID {
		return []*session{s}
	}
	return nil
}

// surplus returns the sessions that must go for one more to come, first to go first.
func (t *transaction) surplus(o *persist.Op) []*session {
	if o.Limit.Max <= 0 {
		return nil
	}
	if o.Record.UserID == "" {
		return t.guests.surplus(o.Limit.Max)
	}
	l := slices.DeleteFunc(slices.Clone(t.ofUser(o.Record.UserID)), func(s *session) bool {
		return !s.active(t.now) || s.ID == o.Replaces || (s.Flags^o.Record.Flags)&persist.APIToken != 0
	})
	slices.SortFunc(l, func(a, b *session) int {
		return cmp.Or(cmp.Compare(a.LastActive, b.LastActive), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return l[:max(0, len(l)-(o.Limit.Max-1))]
}
