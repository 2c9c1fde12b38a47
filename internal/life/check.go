package life

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// Kind is a kind of broken promise.
type Kind string

// The kinds.
const (
	Lost        Kind = "lost"        // an acknowledged create or durable change
	Undone      Kind = "undone"      // an acknowledged end
	Resurrected Kind = "resurrected" // a replaced token that is good again
	Ghost       Kind = "ghost"       // a session that nobody was given
	Unreadable  Kind = "unreadable"  // an error where there must be an answer
	Corrupt     Kind = "corrupt"     // the file
	Late        Kind = "late"        // a call that outlived its context
	Unclear     Kind = "unclear"     // an error that no documentation names
)

// Breach is one broken promise.
type Breach struct {
	Kind Kind
	What string
}

func (b Breach) String() string { return string(b.Kind) + ": " + b.What }

// When says what happened before a check.
type When uint8

// The cases.
const (
	Crashed When = iota // what was not acknowledged is there or not
	Settled             // nothing has failed any more and nothing is under way: what was begun is finished
)

// checker collects breaches.
type checker struct {
	*Book
	store *sessile.Store
	when  When
	found []Breach
}

func (c *checker) report(k Kind, format string, args ...any) {
	c.found = append(c.found, Breach{k, fmt.Sprintf(format, args...)})
}

// Check holds a store to the book.
func (b *Book) Check(ctx context.Context, store *sessile.Store, when When) []Breach {
	c := &checker{Book: b, store: store, when: when}
	for _, id := range b.order {
		c.session(ctx, id, b.entries[id])
	}
	for _, u := range b.users() {
		c.list(ctx, u)
	}
	return c.found
}

// read asks for a token; an error that is no answer is a breach.
func (c *checker) read(ctx context.Context, t sessile.Token) (sessile.Session, bool) {
	s, err := c.store.ReadByToken(ctx, t)
	if err != nil && !errors.Is(err, sessile.ErrNotFound) {
		c.report(Unreadable, "reading a token: %v", err)
	}
	return s, err == nil
}

func (c *checker) session(ctx context.Context, id sessile.ID, e *entry) {
	last := len(e.tokens) - 1
	s, ok := c.read(ctx, e.tokens[last])
	for i, t := range e.tokens[:last] {
		old, good := c.read(ctx, t)
		switch {
		case !good:
		case e.ended:
			c.report(Undone, "session %s is there by an old token", id)
		case e.loose > 0 && i >= e.loose-1: // what replaced it may be lost
			if !ok {
				s, ok = old, true
			}
		case i != last-1 || !e.graced:
			c.report(Resurrected, "token %d of %d of session %s is good", i+1, last+1, id)
		}
	}
	switch {
	case ok && e.ended:
		c.report(Undone, "session %s is there", id)
	case ok && e.ending > 0 && c.when == Settled:
		c.report(Undone, "session %s, whose end was retried, is there", id)
	case ok && e.dead && c.when == Settled:
		c.report(Resurrected, "the token of session %s, promised to be dead, is good", id)
	case ok:
		c.values(s, e)
	case !e.ended && e.ending+e.maybe+e.spinning == 0:
		c.report(Lost, "session %s is gone", id)
	}
}

// values checks data and times.
func (c *checker) values(s sessile.Session, e *entry) {
	n, _, err := sessile.Get[int64](s, "n")
	if err != nil {
		c.report(Unreadable, "the data of session %s: %v", s.ID, err)
	}
	at := s.LastActiveAt.UnixMicro()
	switch {
	case n > e.value.tried:
		c.report(Corrupt, "session %s has a value that nobody wrote", s.ID)
	case n < e.value.stored, at < e.active.stored:
		c.report(Lost, "a durable change of session %s: value %d of %d, active %d of %d", s.ID, n, e.value.stored, at, e.active.stored)
	case c.when == Settled && (n < e.value.acked || at < e.active.acked):
		c.report(Lost, "a change of session %s that was closed over: value %d of %d, active %d of %d", s.ID, n, e.value.acked, at, e.active.acked)
	}
}

// list checks that a user has no session that nobody was given.
func (c *checker) list(ctx context.Context, user string) {
	sessions, err := c.store.ListForUser(ctx, user)
	if err != nil {
		c.report(Unreadable, "listing the sessions of %s: %v", user, err)
		return
	}
	unknown := 0
	for _, s := range sessions {
		e := c.entries[s.ID]
		switch {
		case e == nil:
			unknown++
		case e.ended:
			c.report(Undone, "session %s is in the list", s.ID)
		}
	}
	if unknown > c.ghosts[user] || unknown > 0 && c.when == Settled {
		c.report(Ghost, "%d sessions of %s were never handed out, %d may be there", unknown, user, c.ghosts[user])
	}
}

// Integrity checks a file that no store has open.
func Integrity(path string) []Breach {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return []Breach{{Corrupt, err.Error()}}
	}
	var found []Breach
	for query, want := range map[string]string{
		`PRAGMA integrity_check`: "ok",
		`SELECT count(*) FROM session WHERE key NOT IN (SELECT key FROM activity)`: "0",
		`SELECT count(*) FROM activity WHERE key NOT IN (SELECT key FROM session)`: "0",
	} {
		got := ""
		err := sqlitex.ExecuteTransient(c, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			got += s.ColumnText(0)
			return nil
		}})
		if err != nil || got != want {
			found = append(found, Breach{Corrupt, fmt.Sprintf("%s: %s %v", query, got, err)})
		}
	}
	if err := c.Close(); err != nil {
		found = append(found, Breach{Corrupt, err.Error()})
	}
	return found
}
