package scs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/typed"
	"github.com/sessile/sessile/middleware"
)

// SessionManager has the fields and methods of scs's. Set its fields before the first request. It is
// safe for concurrent use after that. Its methods panic if the context has no session data, as scs's
// do.
type SessionManager struct {
	// IdleTimeout ends a session that is not used for so long. Default 0: no idle timeout.
	IdleTimeout time.Duration
	// Lifetime ends a session regardless of use, at most the store's MaxLifetime. Default 24 h.
	Lifetime time.Duration
	// Cookie describes the cookie.
	Cookie SessionCookie
	// ErrorFunc answers a request whose session could not be read or written. Default: that of
	// [middleware.Options.ErrorHandler], a 503 or 500.
	ErrorFunc func(http.ResponseWriter, *http.Request, error)

	// UserKey is the key of the user's ID, as [New] got it.
	UserKey string
	// Options are the options of the middleware that scs has no word for, such as TrustedProxies,
	// RotateEvery and Adopt. The fields above override Cookie, Insecure, Guests, GuestTTL,
	// GuestMaxLifetime and ErrorHandler.
	Options middleware.Options

	store    *sessile.Store
	types    typed.Types
	once     sync.Once
	sessions *middleware.Sessions
	fault    error // of the options
}

// Session is scs's old name of SessionManager.
type Session = SessionManager

// SessionCookie describes the cookie, with the defaults of scs.
type SessionCookie struct {
	Name        string        // default "session"
	Domain      string        // default "": only the host that sets it
	HttpOnly    bool          // must stay true, because a script must not read the token
	Path        string        // default "/", also if it is ""
	SameSite    http.SameSite // default Lax, also if it is 0
	Secure      bool          // default false; set it in production
	Partitioned bool
	Persist     bool // default true: the cookie outlives the browser
}

// New returns a session manager over store. userKey is the key under which the program keeps the ID
// of the logged-in user, such as "userID". When its value changes, the user logs in or out: the
// session is replaced by a new one with a new token, which belongs to that user. A value that is
// missing or zero means that nobody is logged in. If userKey is "", every session is a guest's: the
// store cannot list or end the sessions of a user, and its MaxGuests limits their number.
func New(store *sessile.Store, userKey string) *SessionManager {
	return &SessionManager{
		Lifetime: 24 * time.Hour, UserKey: userKey, store: store,
		Cookie: SessionCookie{Name: "session", HttpOnly: true, Path: "/", SameSite: http.SameSiteLaxMode, Persist: true},
	}
}

// Register makes the type of a value known. Call it where the program called gob.Register. Basic
// types, slices of them and time.Time need no registration.
func (s *SessionManager) Register(value any) { s.types.Register(value) }

// middleware returns the middleware that the fields describe, and builds it once.
func (s *SessionManager) middleware() (*middleware.Sessions, error) {
	s.once.Do(func() {
		if !s.Cookie.HttpOnly {
			s.fault = fmt.Errorf("scs: %w: Cookie.HttpOnly must be true", sessile.ErrInvalidConfig)
			return
		}
		o := s.Options
		o.Insecure, o.Guests = !s.Cookie.Secure, true
		o.GuestTTL, o.GuestMaxLifetime = s.lifetimes(s.Lifetime)
		o.Cookie = middleware.Cookie{
			Name: s.Cookie.Name, Domain: s.Cookie.Domain, Path: s.Cookie.Path,
			SameSite: s.Cookie.SameSite, Partitioned: s.Cookie.Partitioned,
		}
		o.ErrorHandler = s.ErrorFunc
		s.sessions, s.fault = middleware.New(s.store, o)
	})
	return s.sessions, s.fault
}

// lifetimes returns the idle and the absolute timeout of a session that ends after lifetime. They are
// at least what the store allows.
func (s *SessionManager) lifetimes(lifetime time.Duration) (idle, absolute time.Duration) {
	idle = lifetime
	if s.IdleTimeout > 0 {
		idle = min(s.IdleTimeout, lifetime)
	}
	return max(idle, time.Microsecond), max(lifetime, time.Second)
}

// LoadAndSave is the middleware. It gives the handlers after it the session of each request, and
// commits it before the first byte of the response. The handlers can use [middleware.FromRequest]
// and its guards too.
//
// It panics if the fields contradict each other, because its signature, which is that of scs, has no
// error.
func (s *SessionManager) LoadAndSave(next http.Handler) http.Handler {
	m, err := s.middleware()
	if err != nil {
		panic(err)
	}
	inner := m.Handler(s.within(m, next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Context().Value(s).(*sessionData); ok { // wrapped twice: the outer one commits
			next.ServeHTTP(w, r)
			return
		}
		d := new(sessionData)
		r = r.WithContext(context.WithValue(r.Context(), outerKey{s}, d))
		ow := &writer{ResponseWriter: w, before: func() error {
			s.attributes(w.Header(), d)
			return nil
		}}
		inner.ServeHTTP(ow, r)
		_ = ow.begin() // never fails
	})
}

// within returns the handler between the middleware and the program. It commits the session data
// just before the middleware commits.
func (s *SessionManager) within(m *middleware.Sessions, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := as[*sessionData](r.Context().Value(outerKey{s}))
		d.behind = &inRequest{m.From(r.Context())}
		if err := s.load(r.Context(), d); err != nil {
			s.fail(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), s, d))
		sw := &writer{ResponseWriter: w, before: func() error {
			err := s.commit(r.Context(), d)
			if err != nil {
				s.fail(w, r, err)
			}
			return err
		}}
		next.ServeHTTP(sw, r)
		_ = sw.begin() // the error has been answered
	})
}

// outerKey finds the session data before it is loaded.
type outerKey struct{ s *SessionManager }

// fail answers a request whose session could not be read or written.
func (s *SessionManager) fail(w http.ResponseWriter, r *http.Request, err error) {
	if s.ErrorFunc != nil {
		s.ErrorFunc(w, r, err)
		return
	}
	status := http.StatusServiceUnavailable
	if errors.Is(err, sessile.ErrDataTooLarge) || errors.Is(err, sessile.ErrInvalidData) || errors.Is(err, typed.ErrUnknownType) {
		status = http.StatusInternalServerError
	}
	http.Error(w, http.StatusText(status), status)
}
