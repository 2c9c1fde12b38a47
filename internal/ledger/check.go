package ledger

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// Kind is a kind of violation.
type Kind string

// The kinds.
const (
	Lost        Kind = "lost"        // an acknowledged create or durable change is missing
	Undone      Kind = "undone"      // an acknowledged end is undone
	Resurrected Kind = "resurrected" // a replaced token is valid again
	Unissued    Kind = "unissued"    // a session exists that was never handed out
	Unreadable  Kind = "unreadable"  // an error instead of a result
	Corrupt     Kind = "corrupt"     // the file is damaged
	Late        Kind = "late"        // a call outlived its context
	Unnamed     Kind = "unnamed"     // an undocumented error
)

// Violation is one broken promise.
type Violation struct {
	Kind Kind
	What string
}

func (v Violation) String() string { return string(v.Kind) + ": " + v.What }

// When says what happened before a check.
type When uint8

// The cases.
const (
	Crashed When = iota // unacknowledged changes may exist or not
	Settled             // no more failures, nothing in progress: whatever was started is finished
)

// checker collects violations.
type checker struct {
	*Ledger
	store *sessile.Store
	when  When
	found []Violation
}

func (c *checker) report(k Kind, format string, args ...any) {
	c.found = append(c.found, Violation{k, fmt.Sprintf(format, args...)})
}

// Check compares a store with the ledger.
func (l *Ledger) Check(ctx context.Context, store *sessile.Store, when When) []Violation {
	c := &checker{Ledger: l, store: store, when: when}
	for _, id := range l.order {
		c.session(ctx, id, l.sessions[id])
	}
	for _, u := range l.users() {
		c.list(ctx, u)
	}
	return c.found
}

// read presents a token. An error other than "not found" is a violation.
func (c *checker) read(ctx context.Context, t sessile.Token) (sessile.Session, bool) {
	s, err := c.store.ReadByToken(ctx, t)
	if err != nil && !errors.Is(err, sessile.ErrNotFound) {
		c.report(Unreadable, "reading a token: %v", err)
	}
	return s, err == nil
}

func (c *checker) session(ctx context.Context, id sessile.ID, e *session) {
	last := len(e.tokens) - 1
	s, ok := c.read(ctx, e.tokens[last])
	for i, t := range e.tokens[:last] {
		old, good := c.read(ctx, t)
		switch {
		case !good:
		case e.ended:
			c.report(Undone, "session %s is there by an old token", id)
		case e.uncertain > 0 && i >= e.uncertain-1: // its replacement may be lost
			if !ok {
				s, ok = old, true
			}
		case i != last-1 || !e.graced:
			c.report(Resurrected, "token %d of %d of session %s is valid", i+1, last+1, id)
		}
	}
	switch {
	case ok && e.ended:
		c.report(Undone, "session %s is there", id)
	case ok && e.ending > 0 && c.when == Settled:
		c.report(Undone, "session %s, whose end was retried, is there", id)
	case ok && e.dead && c.when == Settled:
		c.report(Resurrected, "the token of session %s, promised to be dead, is valid", id)
	case ok:
		c.values(s, e)
	case !e.ended && e.ending+e.maybe+e.rotating == 0:
		c.report(Lost, "session %s is gone", id)
	}
}

// values checks data and times.
func (c *checker) values(s sessile.Session, e *session) {
	n, _, err := sessile.Get[int64](s, "n")
	if err != nil {
		c.report(Unreadable, "the data of session %s: %v", s.ID(), err)
	}
	at := s.LastActiveAt().UnixMicro()
	switch {
	case n > e.value.tried:
		c.report(Corrupt, "session %s has a value that nobody wrote", s.ID())
	case n < e.value.stored, at < e.active.stored:
		c.report(Lost, "a durable change of session %s: value %d of %d, active %d of %d", s.ID(), n, e.value.stored, at, e.active.stored)
	case c.when == Settled && (n < e.value.acked || at < e.active.acked):
		c.report(Lost, "a change of session %s that was closed over: value %d of %d, active %d of %d", s.ID(), n, e.value.acked, at, e.active.acked)
	}
}

// list checks that a user has no session that was never handed out.
func (c *checker) list(ctx context.Context, user string) {
	sessions, err := c.store.ListForUser(ctx, user)
	if err != nil {
		c.report(Unreadable, "listing the sessions of %s: %v", user, err)
		return
	}
	unknown := 0
	for _, s := range sessions {
		e := c.sessions[s.ID()]
		switch {
		case e == nil:
			unknown++
		case e.ended:
			c.report(Undone, "session %s is in the list", s.ID())
		}
	}
	if unknown > c.creates[user] || unknown > 0 && c.when == Settled {
		c.report(Unissued, "%d sessions of %s were never handed out, %d may be there", unknown, user, c.creates[user])
	}
}

// Integrity checks a file that no store has open.
func Integrity(path string) []Violation {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return []Violation{{Corrupt, err.Error()}}
	}
	var found []Violation
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
			found = append(found, Violation{Corrupt, fmt.Sprintf("%s: %s %v", query, got, err)})
		}
	}
	if err := c.Close(); err != nil {
		found = append(found, Violation{Corrupt, err.Error()})
	}
	return found
}
