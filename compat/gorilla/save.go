package gorilla

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"time"
	"weak"

	"github.com/gorilla/sessions"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// loaded is what a session was read from. Save compares the values with it, so that it writes only
// what this request has changed.
type loaded struct {
	now   sessile.Session // zero: none
	token sessile.Token
	data  map[string]json.RawMessage // the values as they were read
	adopt *middleware.Login          // the session of another library that Save moves
	moved bool                       // it has moved, so its cookie goes
	err   error                      // the session could not be read, so Save must not replace it
}

// remember keeps at as long as session exists. gorilla's Session has no place for it.
func (s *Store) remember(session *sessions.Session, at *loaded) {
	key := weak.Make(session)
	s.loaded.Store(key, at)
	runtime.AddCleanup(session, func(key weak.Pointer[sessions.Session]) { s.loaded.Delete(key) }, key)
}

// recall returns what New has remembered. A program may make a session without New.
func (s *Store) recall(session *sessions.Session) *loaded {
	if at, ok := s.loaded.Load(weak.Make(session)); ok {
		return at.(*loaded) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	at := new(loaded)
	s.remember(session, at)
	return at
}

// fill gives a session the values of one in the store.
func (s *Store) fill(session *sessions.Session, at *loaded, now sessile.Session, token sessile.Token) error {
	var data map[string]json.RawMessage
	if err := now.Data().Decode(&data); err != nil {
		return fmt.Errorf("gorilla: reading a session: %w", err)
	}
	session.ID, session.IsNew = now.ID().String(), false
	s.decode(session, data)
	if user := now.UserID(); user != "" && s.UserKey != "" && s.userOf(session) != user {
		session.Values[s.UserKey] = user // the login came from elsewhere, such as Handle.Login
	}
	data, err := s.encode(session) // as Save will encode it
	at.now, at.token, at.data = now, token, data
	return err
}

// show gives a session the values of one of another library.
func (s *Store) show(session *sessions.Session, at *loaded, l middleware.Login) error {
	raw, err := json.Marshal(l.Data)
	if err != nil {
		return fmt.Errorf("gorilla: data of an adopted session: %w", err)
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(raw, &data); err != nil {
		return fmt.Errorf("gorilla: data of an adopted session: %w", err)
	}
	s.decode(session, data)
	session.IsNew, at.adopt = false, &l
	return nil
}

// decode adds data to the values. A value of an unknown type stays as it is.
func (s *Store) decode(session *sessions.Session, data map[string]json.RawMessage) {
	for key, raw := range data {
		v, err := s.types.Decode(raw)
		if err != nil {
			v = raw
		}
		session.Values[key] = v
	}
}

// encode returns the JSON of the values.
func (s *Store) encode(session *sessions.Session) (map[string]json.RawMessage, error) {
	data := make(map[string]json.RawMessage, len(session.Values))
	for k, v := range session.Values {
		key, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("%w: key %v is a %T: only strings can be keys", sessile.ErrInvalidData, k, k)
		}
		raw, ok := v.(json.RawMessage) // from decode
		if !ok {
			var err error
			if raw, err = s.types.Encode(v); err != nil {
				return nil, fmt.Errorf("key %q: %w", key, err)
			}
		}
		data[key] = raw
	}
	return data, nil
}

// Login returns the login of a session with these values, as gorilla had them. It is for Adopt. Set
// Login.Confirm, because Save refuses a login without it. The user is the value of UserKey.
func (s *Store) Login(values map[any]any) (middleware.Login, error) {
	session := &sessions.Session{Values: values}
	data, err := s.encode(session)
	return middleware.Login{UserID: s.userOf(session), Data: data}, err
}

// userOf returns the ID of the user that the values belong to, or "".
func (s *Store) userOf(session *sessions.Session) string {
	v, ok := session.Values[s.UserKey]
	if !ok || s.UserKey == "" || v == nil || reflect.ValueOf(v).IsZero() {
		return ""
	}
	return fmt.Sprint(v)
}

// save writes the values. It returns the token for the cookie, or none if another request has ended
// the session or replaced its token.
func (s *Store) save(r *http.Request, session *sessions.Session, at *loaded) (sessile.Token, error) {
	data, err := s.encode(session)
	if err != nil {
		return sessile.Token{}, err
	}
	if at.now.IsZero() || at.now.UserID() != s.userOf(session) {
		err = s.replace(r, session, at, data)
	} else {
		err = s.change(r.Context(), session, at, data)
	}
	if errors.Is(err, sessile.ErrNotFound) {
		at.token = sessile.Token{}
		return at.token, nil
	}
	return at.token, err
}

// change writes the keys that differ from what was read. It counts as an access.
func (s *Store) change(ctx context.Context, session *sessions.Session, at *loaded, data map[string]json.RawMessage) error {
	c := new(sessile.Changes)
	for key, raw := range data {
		if old, ok := at.data[key]; !ok || !bytes.Equal(old, raw) {
			c.Set(key, raw)
		}
	}
	for key := range at.data {
		if _, ok := data[key]; !ok {
			c.Delete(key)
		}
	}
	now, err := s.store.Update(ctx, at.now.ID(), c)
	if err != nil {
		return err
	}
	if at.now.TokenReplaced() || now.RotatedAt().After(at.now.RotatedAt()) {
		at.token = sessile.Token{} // the old token would overwrite its successor in the browser
	}
	at.now, at.data, session.IsNew = now, data, false
	return nil
}

// replace begins a session for the user of the values, or for a guest, and ends the one before.
func (s *Store) replace(r *http.Request, session *sessions.Session, at *loaded, data map[string]json.RawMessage) error {
	ctx, user := r.Context(), s.userOf(session)
	n := sessile.NewSession{
		UserID: user, Guest: user == "", Data: data, TTL: time.Duration(session.Options.MaxAge) * time.Second,
		Meta: sessile.NewMeta(s.clientIP(r), r.UserAgent(), r.Header.Get("Accept-Language")),
	}
	now, token, err := s.store.CreateWith(ctx, n)
	if err != nil {
		return err
	}
	if err := s.end(ctx, at); err != nil {
		if destroyed := s.store.Destroy(ctx, now.ID()); !errors.Is(err, middleware.ErrNoSession) {
			return errors.Join(err, destroyed)
		}
		return sessile.ErrNotFound // somebody else has moved the old session
	}
	at.now, at.token, at.data = now, token, data
	session.ID, session.IsNew = now.ID().String(), false
	return nil
}

// end ends what a session was read from: one of ours, or one of another library.
func (s *Store) end(ctx context.Context, at *loaded) error {
	if at.adopt != nil {
		return at.endAdopted(ctx)
	}
	if at.now.IsZero() {
		return nil
	}
	err := s.store.Destroy(ctx, at.now.ID())
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		at.now, at.token, at.data = sessile.Session{}, sessile.Token{}, nil
		return nil // refused from now on; the store retries
	}
	return err
}

// endAdopted ends the session of another library.
func (at *loaded) endAdopted(ctx context.Context) error {
	if at.adopt.Confirm == nil { // the old cookie would log in again after a logout
		return fmt.Errorf("%w: the Login that Adopt returns needs Confirm", sessile.ErrInvalidConfig)
	}
	err := at.adopt.Confirm(ctx)
	if err == nil || errors.Is(err, middleware.ErrNoSession) {
		at.adopt, at.moved = nil, true
	}
	return err
}
