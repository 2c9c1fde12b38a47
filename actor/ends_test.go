package actor

import (
	"testing"

	"github.com/sessile/sessile/persist"
)

func TestEndOfASessionIsKnownByItsIDAndItsToken(t *testing.T) {
	for reason, end := range map[string]func(l *live, r *persist.Record) error{
		"a session": func(l *live, r *persist.Record) error {
			return l.DestroyOwned(l.Context(), persist.UserKey{}, r.ID, "a session")
		},
		"a user": func(l *live, r *persist.Record) error {
			_, err := l.DestroyUser(l.Context(), persist.UserKey{ID: r.UserID}, persist.ID{}, "a user")
			return err
		},
		"everybody": func(l *live, _ *persist.Record) error {
			_, err := l.DestroyAll(l.Context(), "everybody")
			return err
		},
		ReasonReplaced: func(l *live, r *persist.Record) error {
			_, err := l.Create(l.Context(), l.record(r.UserID), persist.Limit{}, r.ID)
			return err
		},
	} {
		t.Run(reason, func(t *testing.T) {
			inBubble(t, nil, func(l *live) {
				r, other := l.newSession("u"), l.record("other")
				other.ID[15] = 1 // its slot is another
				_, err := l.Create(l.Context(), other, persist.Limit{}, persist.ID{})
				l.is(err, nil)
				l.is(end(l, r), nil)
				equal(t, "by ID", l.EndOf(r.ID), reason)
				equal(t, "by token", l.EndOfToken(r.Hash), reason)
				if reason != "everybody" {
					equal(t, "of another by ID", l.EndOf(other.ID), "")
					equal(t, "of another by token", l.EndOfToken(other.Hash), "")
				}
			})
		})
	}
}
