package middleware

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// Options configure the middleware. The zero value works: it uses an HTTPS-only cookie named
// "__Host-session".
type Options struct {
	// Cookie is the cookie that holds the token.
	Cookie Cookie
	// Insecure drops Secure and the "__Host-" prefix. It is for development over plain HTTP.
	Insecure bool

	// Guests allows sessions without a user. The middleware creates one only when a handler first sets
	// something. The store limits their number with Config.MaxGuests.
	//
	// A cross-site request cannot begin a guest session if SameSite would withhold the browser's
	// cookie from it, because the guest's cookie could replace a user's. [Handle.Set] returns
	// [ErrNoSession] then.
	//
	// Two first requests of a visitor at the same time begin two sessions. The browser keeps the last
	// cookie, and the data of the other session is lost, because nothing in the requests connects
	// them. Begin the session with the page, so that what the page loads sends its cookie.
	Guests bool
	// GuestTTL is the idle timeout of guest sessions, at most the store's MaxLifetime. Default: the
	// store's TTL.
	GuestTTL time.Duration
	// GuestMaxLifetime is the absolute timeout of guest sessions, at most the store's MaxLifetime.
	// Default: the store's MaxLifetime.
	GuestMaxLifetime time.Duration
	// CarryOver names the keys that a login carries over from a guest session, or from a session of
	// the same user.
	CarryOver []string

	// Bearer also accepts the token in "Authorization: Bearer …", for mobile applications and APIs. A
	// request with that header gets no cookie, and its cookies are ignored. A token is never accepted
	// from the URL.
	Bearer bool

	// TrustedProxies are the addresses or CIDRs whose forwarding headers are trusted. "unix" means a
	// proxy on a Unix socket. Default: none.
	TrustedProxies []string
	// ProxyHeader is the header to trust: "X-Forwarded-For" (default) or "Forwarded" (RFC 7239). Name
	// the one that your proxy writes, because the client may forge the other.
	ProxyHeader string

	// Fingerprint says what happens when a session moves to another kind of browser. Default:
	// FingerprintObserve.
	Fingerprint FingerprintMode

	// RotateEvery replaces the token of an active session when it is older than this, at least a
	// minute. The previous token stays valid for a grace period, so that requests in flight succeed.
	// If the new token is not presented within a minute, it was lost and is replaced in turn. Default
	// 0: never.
	RotateEvery time.Duration
	// DestroyOnReuse ends a session when a replaced token comes back, because somebody may have a
	// copy. A token that was replaced less than a minute ago (or less than twice Config.RotateGrace)
	// does not count. The middleware emits [sessile.EventTokenReused] in any case.
	DestroyOnReuse bool

	// Adopt moves users from another session library without logging them out. It gets a request
	// without a session of ours that carries AdoptCookie. If the other library knows a session for it,
	// Adopt returns the login and true. The request then has a new session, with the login's user,
	// data and lifetimes, and the response removes the old cookie. A login without a user becomes a
	// guest's session if Guests is set. Without a session Adopt returns false, and the old cookie
	// stays.
	//
	// Login.Confirm must end the session in the other library, so that its cookie is worth nothing
	// after a logout. It runs when the new session is on disk and before anybody has its token. If it
	// returns [ErrNoSession], because another request has ended the old session, the request has no
	// session. After any other error ErrorHandler answers, and the next request tries again. A user's
	// login without Confirm is a [sessile.ErrInvalidConfig].
	//
	// Requests with the same old cookie share one new session, if they arrive at the same time or
	// within a minute in this process. Two nodes may create one session each. If a request has a
	// session of ours, Adopt and Confirm run only to end the old one. A cross-site request from which
	// SameSite would withhold our cookie adopts nothing. A login over the limit of [sessile.LimitRefuseNew]
	// is not adopted.
	//
	// Adopt runs before the handler and must be safe for concurrent use. The context of its request does
	// not end with the client's connection, because other requests may wait for the result.
	Adopt func(*http.Request) (Login, bool)
	// AdoptCookie is the other library's cookie. Adopt needs its name, domain and path, because a
	// browser removes only a cookie of the same three. Default path: "/".
	AdoptCookie http.Cookie

	// ErrorHandler answers a request whose session could not be read, or whose changes could not be
	// written. Default: 503, or 500 if the changes themselves are invalid ([sessile.ErrDataTooLarge],
	// [sessile.ErrInvalidData]) or the cookie is ([sessile.ErrInvalidConfig]). The error never means
	// just "not logged in".
	ErrorHandler func(http.ResponseWriter, *http.Request, error)
	// OnDenied answers a request that a guard refuses: [RequireUser], [RequireFresh], [RequireGuest],
	// [Require] or [Verify]. The route is in the request. It can call [Deny], which is the default.
	OnDenied func(http.ResponseWriter, *http.Request, Denial)
	// AllowAnonymousOnError serves a request without a session if the session could not be read.
	// [Handle.Err] returns the reason. The cookie stays.
	AllowAnonymousOnError bool

	// ClearSiteData is the value of the Clear-Site-Data header of a logout, for example `"cache"`.
	ClearSiteData string
	// CommitTimeout limits how long a commit may take when the response begins. The commit does not
	// end with the client's connection. Default 5 s.
	CommitTimeout time.Duration
}

// withDefaults replaces zero fields, and copies slices that the caller may change later.
func (o Options) withDefaults() Options {
	o.Fingerprint = cmp.Or(o.Fingerprint, FingerprintObserve)
	o.CommitTimeout = cmp.Or(o.CommitTimeout, 5*time.Second)
	o.CarryOver = slices.Clone(o.CarryOver)
	o.AdoptCookie.Path = cmp.Or(o.AdoptCookie.Path, "/") //nolint:gosec // it only removes a cookie
	if o.ErrorHandler == nil {
		o.ErrorHandler = unavailable
	}
	if o.OnDenied == nil {
		o.OnDenied = Deny
	}
	return o
}

// check reports every fault that concerns neither the cookie nor the proxies.
func (o Options) check() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	switch o.Fingerprint {
	case FingerprintObserve, FingerprintOff, FingerprintReject, FingerprintDestroy:
	default:
		fault(true, "fingerprint mode %q is unknown", o.Fingerprint)
	}
	fault(o.CommitTimeout < 0, "commit timeout %v is negative", o.CommitTimeout)
	fault(o.GuestTTL < 0, "guest TTL %v is negative", o.GuestTTL)
	fault(o.GuestTTL > 0 && !o.Guests, "GuestTTL is set, but Guests is off")
	fault(o.GuestMaxLifetime < 0, "guest max lifetime %v is negative", o.GuestMaxLifetime)
	fault(o.GuestMaxLifetime > 0 && !o.Guests, "GuestMaxLifetime is set, but Guests is off")
	fault(o.RotateEvery < 0, "rotation interval %v is negative", o.RotateEvery)
	fault(o.RotateEvery > 0 && o.RotateEvery < time.Minute,
		"rotation interval %v is below the minimum of 1m", o.RotateEvery)
	fault(slices.Contains(o.CarryOver, ""), "CarryOver contains an empty key")
	if o.Adopt != nil {
		err := o.AdoptCookie.Valid()
		fault(err != nil, "AdoptCookie: %w", err)
	}
	for d := range strings.SplitSeq(o.ClearSiteData, ",") {
		fault(o.ClearSiteData != "" && !siteData(trimSpace(d)), "Clear-Site-Data: %s is unknown", d)
	}
	return errors.Join(errs...)
}

// siteData reports whether browsers know a directive of Clear-Site-Data (W3C).
func siteData(directive string) bool {
	switch directive {
	case `"cache"`, `"cookies"`, `"storage"`, `"executionContexts"`, `"clientHints"`, `"prefetchCache"`, `"prerenderCache"`, `"*"`:
		return true
	default:
		return false
	}
}

// unavailable is the default ErrorHandler.
func unavailable(w http.ResponseWriter, _ *http.Request, err error) {
	if errors.Is(err, sessile.ErrDataTooLarge) || errors.Is(err, sessile.ErrInvalidData) {
		http.Error(w, "The session's data could not be stored.", http.StatusInternalServerError)
		return
	}
	if errors.Is(err, sessile.ErrInvalidConfig) {
		http.Error(w, "The session's cookie could not be set.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Sessions are unavailable at the moment.", http.StatusServiceUnavailable)
}
