package gorilla

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/sessions"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/typed"
	"github.com/sessile/sessile/middleware"
)

// maxCookies limits the lookups of one name in a request.
const maxCookies = 3

// Store is a gorilla sessions.Store. Set its fields before the first request. It is safe for
// concurrent use after that.
type Store struct {
	// Options are the options of new sessions.
	Options *sessions.Options
	// UserKey is the key of the user's ID in Values, as [NewStore] got it.
	UserKey string
	// ClientIP returns the address that a new session records. Behind a proxy use
	// [middleware.Sessions.ClientIP]. Default: that of the connection.
	ClientIP func(*http.Request) string

	// Adopt returns the session of another library for a request without one of ours, as
	// [middleware.Options.Adopt] does, for example with [Store.Login]. New shows its values. Save
	// moves it: it calls Login.Confirm, which must end the old session, and removes AdoptCookie.
	// Without Confirm, Save returns [sessile.ErrInvalidConfig] and moves nothing.
	// Until then each request asks Adopt, so Adopt must refuse what Confirm has ended. If Confirm
	// returns [middleware.ErrNoSession], because another request has moved the session, Save writes
	// nothing. The lifetimes of the login do not count: Options.MaxAge does.
	Adopt func(*http.Request) (middleware.Login, bool)
	// AdoptCookie is the other library's cookie: name, domain and path. Default path: "/". If it has
	// the name, domain and path of a session, the session's own cookie replaces it.
	AdoptCookie http.Cookie

	store  *sessile.Store
	types  typed.Types
	loaded sync.Map // weak.Pointer[sessions.Session] to *loaded
}

// NewStore returns a Store over store. userKey is the key in Values under which the program keeps
// the ID of the logged-in user. When its value changes, Save replaces the session by a new one with a
// new token, which belongs to that user. A value that is missing or zero means that nobody is logged
// in. If userKey is "", every session is a guest's: the store cannot list or end the sessions of a
// user, and its MaxGuests limits their number.
func NewStore(store *sessile.Store, userKey string) *Store {
	return &Store{
		Options: &sessions.Options{Path: "/", MaxAge: 86400 * 30, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode},
		UserKey: userKey, store: store,
	}
}

// Register makes the type of a value known. Call it where the program called gob.Register. Basic
// types, slices of them, []any, map[string]any and time.Time need no registration.
func (s *Store) Register(value any) { s.types.Register(value) }

// Get returns the session of a name, the same for the whole request. The error is as for
// [Store.New].
func (s *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New reads the session of a name. It never returns a nil session. Without a valid cookie the
// session is new, and the error is nil. An error means that the store failed: do not treat it as
// "logged out". Save returns the same error then, so that it does not replace the session.
func (s *Store) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	opts := *s.Options
	session.Options, session.IsNew = &opts, true
	at := new(loaded)
	s.remember(session, at)
	at.err = s.read(r, session, at)
	return session, at.err
}

// read fills a session from the cookie, or from the other library's.
func (s *Store) read(r *http.Request, session *sessions.Session, at *loaded) error {
	now, token, err := s.find(r, session.Name())
	if err != nil {
		return fmt.Errorf("gorilla: reading a session: %w", err)
	}
	if !now.IsZero() {
		return s.fill(session, at, now, token)
	}
	if s.Adopt == nil {
		return nil
	}
	if l, ok := s.Adopt(r); ok {
		return s.show(session, at, l)
	}
	return nil
}

// find returns the session that the first valid cookie of a name opens. It refuses API tokens: only
// the Authorization header may bring them.
func (s *Store) find(r *http.Request, name string) (sessile.Session, sessile.Token, error) {
	for i, c := range r.CookiesNamed(name) {
		if i == maxCookies {
			break
		}
		token, err := sessile.ParseToken(c.Value)
		if err != nil {
			continue
		}
		now, err := s.store.ReadByToken(r.Context(), token)
		if errors.Is(err, sessile.ErrNotFound) || errors.Is(err, sessile.ErrCorrupt) || now.IsAPIToken() {
			continue
		}
		return now, token, err
	}
	return sessile.Session{}, sessile.Token{}, nil
}

// Save writes the session and sets its cookie. A new session, and the end of one, are on disk when
// Save returns nil. A change is in memory, and on disk within the store's BatchInterval. If another
// request has ended the session meanwhile, Save writes nothing and leaves the cookie alone.
//
// Save must come before the response begins, as with every gorilla Store.
func (s *Store) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	at := s.recall(session)
	if at.err != nil {
		return at.err
	}
	if session.Options.MaxAge < 0 {
		if err := s.end(r.Context(), at); err != nil && !errors.Is(err, middleware.ErrNoSession) {
			return fmt.Errorf("gorilla: ending a session: %w", err)
		}
		session.ID = ""
		s.setCookie(w, session, "")
		s.removeOld(w, session, at)
		return nil
	}
	token, err := s.save(r, session, at)
	if err != nil {
		return fmt.Errorf("gorilla: saving a session: %w", err)
	}
	if !token.IsZero() {
		s.setCookie(w, session, token.Reveal())
	}
	s.removeOld(w, session, at)
	return nil
}

func (s *Store) setCookie(w http.ResponseWriter, session *sessions.Session, value string) {
	http.SetCookie(w, sessions.NewCookie(session.Name(), value, session.Options))
	w.Header().Set("Cache-Control", "no-store")
}

// removeOld removes the cookie of a session that has moved.
func (s *Store) removeOld(w http.ResponseWriter, session *sessions.Session, at *loaded) {
	if !at.moved {
		return
	}
	at.moved = false
	old, own := s.AdoptCookie, session.Options //nolint:gosec // it removes a cookie
	if old.Path == "" {
		old.Path = "/"
	}
	if old.Name != session.Name() || old.Domain != own.Domain || old.Path != own.Path {
		old.Value, old.MaxAge = "", -1
		http.SetCookie(w, &old)
	}
}

func (s *Store) clientIP(r *http.Request) string {
	if s.ClientIP != nil {
		return s.ClientIP(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
