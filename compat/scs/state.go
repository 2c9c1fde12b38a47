package scs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/typed"
)

// Status says what happened to the session data since it was loaded.
type Status int

// The states of session data.
const (
	Unmodified Status = iota
	Modified          // a commit is due
	Destroyed
)

// Keys of this package in the session's data.
const (
	rememberKey = "__rememberMe" // scs's own
	deadlineKey = "__deadline"   // of SetDeadline, in milliseconds since 1970
)

// sessionData is the session of a context.
type sessionData struct {
	mu       sync.Mutex
	behind   session
	values   map[string]any
	changed  map[string]sessile.Token // keys that were put or removed since the last commit, and the merged session that put them
	status   Status
	deadline time.Time    // of SetDeadline, or zero
	of       sessile.ID   // the session that the values belong to, or zero
	merged   []sessile.ID // sessions of MergeSession that end after the next commit
}

// forget drops the values of a session that has ended.
func (d *sessionData) forget() {
	clear(d.values)
	clear(d.changed)
	d.status, d.deadline, d.of = Destroyed, time.Time{}, sessile.ID{}
}

// settle notes that the values belong to the current session. If there is none, because the session
// ended during the change, the values still belong to the one before.
func (d *sessionData) settle() {
	if now, ok := d.behind.current(); ok {
		d.of = now.ID()
	}
}

// session is the session behind the data: of a request, or of a token.
type session interface {
	// current returns the session, and whether there is one.
	current() (sessile.Session, bool)
	// token returns its token, or "" if it is unknown.
	token() string
	// replace begins a session and ends the current one, unless confirm refuses the new one.
	replace(ctx context.Context, n sessile.NewSession, confirm func(context.Context) error) error
	// change sets and deletes (nil) keys.
	change(ctx context.Context, changed map[string]json.RawMessage) error
	// flush writes what the others have left for later.
	flush(ctx context.Context) error
	// rotate replaces the token.
	rotate(ctx context.Context) error
	// end ends the session.
	end(ctx context.Context) error
}

func (d *sessionData) put(key string, val any) {
	d.values[key] = val
	d.touch(key)
}

func (d *sessionData) remove(key string) {
	if _, ok := d.values[key]; ok {
		delete(d.values, key)
		d.touch(key)
	}
}

func (d *sessionData) touch(key string) {
	d.changed[key] = sessile.Token{}
	d.status = Modified
}

// lock returns the session data of a context, locked. It panics if there is none, as scs does.
func (s *SessionManager) lock(ctx context.Context) *sessionData {
	d, ok := ctx.Value(s).(*sessionData)
	if !ok {
		panic("scs: no session data in context")
	}
	d.mu.Lock()
	return d
}

// load fills d from the session behind it. A session after its SetDeadline ends.
func (s *SessionManager) load(ctx context.Context, d *sessionData) error {
	d.values, d.changed = make(map[string]any), make(map[string]sessile.Token)
	now, ok := d.behind.current()
	if !ok {
		return nil
	}
	if ms, ok, _ := sessile.Get[int64](now, deadlineKey); ok {
		if d.deadline = time.UnixMilli(ms).UTC(); !s.store.Now().Before(d.deadline) {
			d.deadline = time.Time{}
			return d.behind.end(ctx)
		}
	}
	if err := s.decode(now, d.values); err != nil {
		return err
	}
	d.of = now.ID()
	if user := now.UserID(); user != "" { // the login may come from elsewhere, such as Handle.Login
		s.setUser(d.values, user)
	}
	if s.IdleTimeout > 0 { // a commit renews the session
		d.status = Modified
	}
	return nil
}

// decode adds the data of a session to values. A value of an unknown type stays as it is.
func (s *SessionManager) decode(from sessile.Session, values map[string]any) error {
	var all map[string]json.RawMessage
	if err := from.Data().Decode(&all); err != nil {
		return fmt.Errorf("scs: reading the session's data: %w", err)
	}
	for key, raw := range all {
		v, err := s.types.Decode(raw)
		if err != nil {
			v = raw
		}
		values[key] = v
	}
	delete(values, deadlineKey)
	return nil
}

// encode returns the JSON of values.
func (s *SessionManager) encode(values map[string]any) (map[string]json.RawMessage, error) {
	all := make(map[string]json.RawMessage, len(values))
	for key, v := range values {
		raw, err := encodeValue(&s.types, v)
		if err != nil {
			return nil, fmt.Errorf("scs: key %q: %w", key, err)
		}
		all[key] = raw
	}
	return all, nil
}

func encodeValue(types *typed.Types, v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok { // from decode
		return raw, nil
	}
	return types.Encode(v)
}

// userOf returns the ID of the user that values belong to, or "".
func (s *SessionManager) userOf(values map[string]any) string {
	v, ok := values[s.UserKey]
	if !ok || s.UserKey == "" || v == nil || reflect.ValueOf(v).IsZero() {
		return ""
	}
	return fmt.Sprint(v)
}

// setUser makes values belong to a user, or to nobody.
func (s *SessionManager) setUser(values map[string]any, user string) {
	switch {
	case s.UserKey == "" || s.userOf(values) == user:
	case user == "":
		delete(values, s.UserKey)
	default:
		values[s.UserKey] = user
	}
}

// commit sends the changes to the session behind d. The caller does not hold the lock.
//
// Only a user that this request has put logs in:
//
//  1. Request A loads the session of alice.
//  2. Request B logs alice out everywhere.
//  3. A changes a key. The store refuses it, because the session has ended.
//  4. A commits again. Its values still name alice.
//
// A login in step 4 would undo the logout without a password, so the commit drops the values. A user
// from a merged session that has ended does not log in either.
func (s *SessionManager) commit(ctx context.Context, d *sessionData) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.status != Modified {
		return nil
	}
	now, ok := d.behind.current()
	user := s.userOf(d.values)
	if _, put := d.changed[s.UserKey]; !put && now.ID() != d.of {
		if !ok {
			d.forget()
			return nil
		}
		user = now.UserID() // a login by other means, such as Handle.Login
		s.setUser(d.values, user)
	}
	var err error
	switch {
	case ok && user == now.UserID():
		err = s.update(ctx, d)
	case !ok && len(d.values) == 0: // nothing to keep
	default:
		err = s.replace(ctx, d, user)
	}
	if errors.Is(err, errMergedEnded) {
		d.forget()
		d.merged = nil
		return nil
	}
	if err == nil {
		clear(d.changed)
		d.settle()
		err = s.endMerged(ctx, d)
	}
	return err
}

// update sends the changed keys.
func (s *SessionManager) update(ctx context.Context, d *sessionData) error {
	put := make(map[string]any, len(d.changed))
	for key := range d.changed {
		if v, ok := d.values[key]; ok {
			put[key] = v
		}
	}
	changed, err := s.encode(put)
	if err != nil {
		return err
	}
	for key := range d.changed {
		if _, ok := put[key]; !ok {
			changed[key] = nil
		}
	}
	if _, ok := d.changed[rememberKey]; ok && !s.Cookie.Persist { // the browser needs another cookie
		if err := d.behind.rotate(ctx); err != nil {
			return err
		}
	}
	s.addDeadline(d, changed)
	return d.behind.change(ctx, changed)
}

// replace begins a session with all values, for a user or a guest.
func (s *SessionManager) replace(ctx context.Context, d *sessionData, user string) error {
	data, err := s.encode(d.values)
	if err != nil {
		return err
	}
	n := sessile.NewSession{UserID: user, Guest: user == "", Data: data}
	lifetime := s.Lifetime
	if n.Guest { // the middleware gives all guests the same lifetime
		s.addDeadline(d, data)
	} else if !d.deadline.IsZero() {
		lifetime = d.deadline.Sub(s.store.Now())
	}
	n.TTL, n.MaxLifetime = s.lifetimes(lifetime)
	from := d.changed[s.UserKey]
	if !from.IsZero() {
		if err := s.keepMerged(ctx, d); err != nil {
			return err
		}
	}
	if err := d.behind.replace(ctx, n, s.confirm(from)); err != nil {
		return err
	}
	d.of = sessile.ID{} // the session before has ended
	return nil
}

// addDeadline adds the key of SetDeadline.
func (s *SessionManager) addDeadline(d *sessionData, data map[string]json.RawMessage) {
	if !d.deadline.IsZero() {
		data[deadlineKey] = json.RawMessage(strconv.FormatInt(d.deadline.UnixMilli(), 10))
	}
}
