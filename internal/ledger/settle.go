package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/sessile/sessile"
)

// SessionsOf returns the sessions of a user that were handed out and have not ended.
func (l *Ledger) SessionsOf(user string) []sessile.ID {
	return slices.DeleteFunc(slices.Clone(l.order), func(id sessile.ID) bool {
		s := l.sessions[id]
		return s.user != user || s.ended
	})
}

// CheckSessions compares a store with the ledger for some sessions.
func (l *Ledger) CheckSessions(ctx context.Context, store *sessile.Store, when When, ids []sessile.ID) []Violation {
	c := &checker{Ledger: l, store: store, when: when}
	for _, id := range ids {
		c.session(ctx, id, l.sessions[id])
	}
	return c.found
}

// Settle records what a restart decided about some sessions: each operation of unknown outcome was
// either done or not. What the store shows now must stay true.
func (l *Ledger) Settle(ctx context.Context, store *sessile.Store, ids []sessile.ID) error {
	for _, id := range ids {
		e := l.sessions[id]
		s, err := store.ReadByToken(ctx, e.tokens[len(e.tokens)-1])
		if errors.Is(err, sessile.ErrNotFound) {
			_, err = store.Read(ctx, id)
			e.ended = errors.Is(err, sessile.ErrNotFound)
			e.maybe++ // otherwise a rotation was done, and nobody has its token
			if !e.ended && err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		n, _, err := sessile.Get[int64](s, "n")
		if err != nil {
			return err
		}
		at := s.LastActiveAt().UnixMicro()
		e.value, e.active = mark{n, n, n}, mark{at, at, at}
		e.rotating, e.ending, e.maybe = 0, 0, 0
	}
	return nil
}
