package middleware

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sessile/sessile"
)

// FingerprintMode says what happens when a token comes from another kind of
// browser than it was given to.
type FingerprintMode string

// The modes. A request whose User-Agent is the session's own is never a mismatch.
const (
	FingerprintObserve FingerprintMode = "observe" // an event; the default
	FingerprintOff     FingerprintMode = "off"
	FingerprintReject  FingerprintMode = "reject"  // this request is anonymous
	FingerprintDestroy FingerprintMode = "destroy" // the session ends
)

// Options tune the middleware. The zero value works: an HTTPS-only cookie named
// "__Host-session".
type Options struct {
	// Cookie is the cookie that holds the token.
	Cookie Cookie
	// Insecure drops Secure and the "__Host-" prefix, for development over plain HTTP.
	Insecure bool

	// Guests lets sessions exist without a user. One is created when a handler first sets something.
	Guests bool
	// GuestTTL is their sliding lifetime. Default: the store's TTL.
	GuestTTL time.Duration
	// CarryOver names the keys that a login takes along from the session before it.
	CarryOver []string

	// Bearer accepts the token in "Authorization: Bearer …" too, for mobile
	// applications and APIs. Such a request gets no cookie. Never from the URL.
	Bearer bool

	// TrustedProxies are the addresses or CIDRs whose forwarding headers are
	// believed. Default: nobody's.
	TrustedProxies []string
	// ProxyHeader is the header to believe: "X-Forwarded-For" (default) or "Forwarded".
	ProxyHeader string

	// Fingerprint says what a change of browser does.
	Fingerprint FingerprintMode

	// RotateEvery replaces the token of a session in use from time to time; the
	// previous one keeps working for a grace, so that nobody is logged out. 0 = never.
	RotateEvery time.Duration
	// DestroyOnReuse ends a session when a token comes back that was replaced longer ago than the grace.
	DestroyOnReuse bool

	// ErrorHandler answers a request whose session could not be read or written.
	// Default: 503. The error is never a mere "not logged in".
	ErrorHandler func(http.ResponseWriter, *http.Request, error)
	// AllowAnonymousOnError serves such a request without a session instead.
	AllowAnonymousOnError bool

	// ClearSiteData sends this value of the Clear-Site-Data header with a logout, for example `"cache"`.
	ClearSiteData string
	// CommitTimeout bounds the writing of a session at the end of a request, which
	// does not die with the client's connection. Default 5 s.
	CommitTimeout time.Duration
}

// Sessions is the middleware. Get one from [New]; it is safe for concurrent use.
type Sessions struct {
	store   *sessile.Store
	opts    Options
	cookie  cookiePolicy
	proxies proxies
	touch   time.Duration
	grace   time.Duration
}

// New builds the middleware over store. A combination of options that browsers
// would refuse, or that is unsafe, is an error that lists every fault.
func New(store *sessile.Store, opts Options) (*Sessions, error) {
	if store == nil {
		return nil, errors.New("middleware: no store")
	}
	opts.Fingerprint = cmp.Or(opts.Fingerprint, FingerprintObserve)
	opts.CommitTimeout = cmp.Or(opts.CommitTimeout, 5*time.Second)
	if opts.ErrorHandler == nil {
		opts.ErrorHandler = serviceUnavailable
	}
	policy, err1 := newCookiePolicy(opts.Cookie, opts.Insecure)
	trusted, err2 := newProxies(opts.TrustedProxies, opts.ProxyHeader)
	if err := errors.Join(err1, err2, opts.check()); err != nil {
		return nil, fmt.Errorf("middleware: %w", err)
	}
	cfg := store.Config()
	return &Sessions{
		store: store, opts: opts, cookie: policy, proxies: trusted,
		touch: cfg.TouchInterval, grace: cfg.RotateGrace,
	}, nil
}

func (o Options) check() error {
	var errs []error
	switch o.Fingerprint {
	case FingerprintObserve, FingerprintOff, FingerprintReject, FingerprintDestroy:
	default:
		errs = append(errs, fmt.Errorf("fingerprint mode %q is unknown", o.Fingerprint))
	}
	if o.RotateEvery < 0 || o.CommitTimeout < 0 || o.GuestTTL < 0 {
		errs = append(errs, errors.New("a duration is negative"))
	}
	if o.RotateEvery > 0 && o.RotateEvery < time.Minute {
		errs = append(errs, errors.New("rotating more often than once a minute only costs writes"))
	}
	return errors.Join(errs...)
}

func serviceUnavailable(w http.ResponseWriter, _ *http.Request, _ error) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Sessions are unavailable at the moment.", http.StatusServiceUnavailable)
}

// Handler gives next the session of each request.
func (m *Sessions) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{Context: r.Context()}
		h := &x.handle
		h.m, h.req = m, r
		if err := h.load(r.Context()); err != nil {
			if !m.opts.AllowAnonymousOnError {
				m.opts.ErrorHandler(w, r, err)
				return
			}
			h.stale = false // the cookie may be good
		}
		x.writer = responseWriter{ResponseWriter: w, handle: h}
		next.ServeHTTP(wrap(&x.writer), r.WithContext(x))
		h.finish(&x.writer) // not after a panic: a panicking handler commits nothing
	})
}

// exchange is everything that one request needs, in one allocation. It is the
// request's context.
type exchange struct {
	context.Context //nolint:containedctx // it is the context of the request, extended
	handle          Handle
	writer          responseWriter
}

// handleKey finds the innermost Handle in a context; a *Sessions finds its own.
type handleKey struct{}

// Value finds the Handle.
func (x *exchange) Value(key any) any {
	switch k := key.(type) {
	case handleKey:
		return &x.handle
	case *Sessions:
		if k == x.handle.m {
			return &x.handle
		}
	}
	return x.Context.Value(key)
}

// From returns the Handle of a request's context. It is never nil: without the
// middleware, its methods return [ErrNoMiddleware] or tell of no session.
func From(ctx context.Context) *Handle {
	if h, ok := ctx.Value(handleKey{}).(*Handle); ok {
		return h
	}
	return &Handle{}
}

// FromRequest is From of the request's context.
func FromRequest(r *http.Request) *Handle { return From(r.Context()) }

// From returns this middleware's Handle, where several are nested.
func (m *Sessions) From(ctx context.Context) *Handle {
	if h, ok := ctx.Value(m).(*Handle); ok {
		return h
	}
	return &Handle{}
}
