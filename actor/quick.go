package actor

import (
	"context"
	"errors"

	"github.com/sessile/sessile/persist"
)

// A quick read answers a read by token from the disk and tells the loop
// afterwards, where the loop would otherwise be asked before and after.
//
// The race that it must lose is that of a load (see load): it reads a row; the
// session is destroyed. So the loop publishes whether there is anything that a
// row could be wrong about, its calm: zero while a security operation waits, is
// under way or is remembered by a grave, else a number that every operation,
// burial and batch changes. A row that was read while the calm stayed the same is
// as true as memory: its session was not in memory when the read began, so
// nothing of it waited for the disk, and nothing has come to the disk since. A
// session that ends before its changes are on disk leaves memory in the middle of a
// step, so the calm ends before that (see drop). The loop may keep the row if the
// calm has still not changed when it hears of it.

// mostQuick bounds the quick reads under way: more than a few connections can take
// at once. Others go by the loop, where equal ones are joined and lines are short.
const mostQuick = 16

// found tells the loop of a row that a quick read has brought.
type found struct {
	record persist.Record
	view   *View
	moved  bool // and it is not as it is stored
	calm   uint64
}

func (found) message() {}

// calmNow says whether rows may be trusted without asking; see above.
func (s *state) calmNow() uint64 {
	if !s.exclusive || s.closing || len(s.ops)+len(s.later)+len(s.flyingOps())+s.graves.len() > 0 {
		return 0
	}
	return 1 + s.stirs + s.graves.burials + s.stats.Batches
}

// found keeps a row, if nothing has happened that could make it outdated.
func (s *state) found(m found) {
	if m.calm == s.calmNow() && s.hot.ByID(m.record.ID) == nil && s.hot.ByKey(m.record.Hash) == nil {
		s.keep(m.record, m.view, m.moved)
	}
}

// quick finds a session on disk. It is false if the loop must be asked.
func (a *Actor) quick(ctx context.Context, k persist.TokenKey) (v *View, ok bool, err error) {
	calm := a.calm.Load()
	if calm == 0 {
		return nil, false, nil
	}
	defer a.quicks.Add(-1)
	if a.quicks.Add(1) > mostQuick {
		return nil, false, nil
	}
	if v := a.hot.Get((*[32]byte)(&k.Hash)); v != nil { // it came meanwhile
		return v, true, nil
	}
	o := a.fetched(ctx, k, persist.UserKey{}, &load{key: loadKey{kind: byHash}})
	a.coldReads.Add(1)
	switch {
	case a.calm.Load() != calm, o.err == nil && o.record.Hash != k.Hash: // or a token that was replaced
		return nil, false, nil
	case errors.Is(o.err, persist.ErrNotFound):
		a.unknown.Add(1)
		return nil, true, o.err
	case o.err != nil:
		return nil, true, o.because(ctx)
	}
	v, moved := a.cfg.read(o.record, a.cfg.Now())
	a.tell(found{o.record, v, moved, calm})
	return v, true, nil
}
