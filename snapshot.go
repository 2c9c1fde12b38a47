package sessile

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// Snapshot is a session as [Store.Lookup] found it: a reference to what memory
// holds, where a [Session] is a copy. What it refers to never changes; a later
// change of the session makes another. The zero Snapshot is no session.
type Snapshot struct {
	view     *actor.View
	due      bool
	replaced bool
	lost     bool

	unannounced bool
}

// Lookup finds the active session that the text form of a token opens, with the
// errors of [Store.ReadByToken] and [ErrInvalidToken]. It is what a request needs
// that only asks whose it is: neither a Token nor a Session is made.
func (s *Store) Lookup(ctx context.Context, token string) (Snapshot, error) {
	raw, ok := parseToken(token)
	if !ok {
		return Snapshot{}, ErrInvalidToken
	}
	return s.lookup(ctx, &raw)
}

// Access is [Store.Renew] that returns a Snapshot. It is announced if the answer tells the
// client how long the session lives from now on, as the Max-Age of its cookie does. What a
// worker does is not announced.
func (s *Store) Access(ctx context.Context, id ID, announced bool) (Snapshot, error) {
	if s.closed.Load() {
		return Snapshot{}, ErrClosed
	}
	v, err := s.actor.Access(ctx, persist.ID(id), announced)
	if err != nil {
		return Snapshot{}, fmt.Errorf("renewing session %s: %w", id, err)
	}
	return Snapshot{view: v}, nil
}

// Apply is [Store.Update] that returns a Snapshot, announced like Access.
func (s *Store) Apply(ctx context.Context, id ID, c *Changes, announced bool) (Snapshot, error) {
	return s.update(ctx, id, c, false, announced)
}

// Session returns the copy; the zero Session of the zero Snapshot.
func (x Snapshot) Session() (out Session) {
	if x.view != nil {
		out = sessionOf(x.view)
		out.TouchDue, out.TokenReplaced = x.due, x.replaced
	}
	return out
}

// ID is Session.ID.
func (x Snapshot) ID() (id ID) {
	if x.view != nil {
		id = ID(x.view.ID)
	}
	return id
}

// UserID is Session.UserID.
func (x Snapshot) UserID() string {
	if x.view == nil {
		return ""
	}
	return x.view.UserID
}

// UserAgent is Session.UserAgent.
func (x Snapshot) UserAgent() string {
	if x.view == nil {
		return ""
	}
	return x.view.UserAgent
}

// Fingerprint is Session.Fingerprint.
func (x Snapshot) Fingerprint() string {
	if x.view == nil {
		return ""
	}
	return x.view.Fingerprint
}

// Data is Session.Data.
func (x Snapshot) Data() Data {
	if x.view == nil {
		return Data{}
	}
	return Data{x.view.Doc}
}

// Age is Session.LastActiveAt less Session.CreatedAt.
func (x Snapshot) Age() time.Duration {
	if x.view == nil {
		return 0
	}
	return time.Duration(x.view.LastActive-x.view.CreatedAt) * time.Microsecond
}

// AnnouncedAge is how long after its creation the session had the last access that was
// announced to the client, as far as this process knows; see [Store.Access].
func (x Snapshot) AnnouncedAge() time.Duration {
	if x.view == nil {
		return 0
	}
	return time.Duration(x.view.Announced-x.view.CreatedAt) * time.Microsecond
}

// TTL is Session.TTL.
func (x Snapshot) TTL() (ttl time.Duration) {
	if x.view != nil {
		ttl = time.Duration(x.view.TTL) * time.Microsecond
	}
	return ttl
}

// RotatedAt is Session.RotatedAt.
func (x Snapshot) RotatedAt() (t time.Time) {
	if x.view != nil && x.view.Rotation != nil {
		t = fromMicros(x.view.At)
	}
	return t
}

// AnnounceDue reports whether the last access that was announced to the client is as long
// ago as makes an access due, whoever has had one since.
func (x Snapshot) AnnounceDue() bool { return x.unannounced }

// TouchDue is Session.TouchDue.
func (x Snapshot) TouchDue() bool { return x.due }

// TokenReplaced is Session.TokenReplaced.
func (x Snapshot) TokenReplaced() bool { return x.replaced }

// SuccessorLost reports whether it was read by a token whose successor nobody has
// presented for a minute: the response that carried it must have been lost. Then
// [Store.Rotate] From that token, with a grace, replaces the successor.
func (x Snapshot) SuccessorLost() bool { return x.lost }

// String identifies the session, like that of a [Session].
func (x Snapshot) String() string { return "Session(" + x.ID().String() + ")" }

// Format prints String for every verb.
func (x Snapshot) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, x.String()) }
