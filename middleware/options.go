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

// Options tune the middleware. The zero value works: an HTTPS-only cookie named
// "__Host-session".
type Options struct {
	// Cookie is the cookie that holds the token.
	Cookie Cookie
	// Insecure drops Secure and the "__Host-" prefix, for development over plain HTTP.
	Insecure bool

	// Guests lets sessions exist without a user. One is created only when a handler
	// first sets something. The store bounds their number: Config.MaxGuests.
	//
	// None begins where a browser that has a cookie would not have sent it: at a request
	// that another site makes, unless SameSite lets the cookie come with it. The guest's
	// would replace the user's. [Handle.Set] is [ErrNoSession] then.
	//
	// Two first requests of a visitor at the same time begin two sessions. The browser
	// keeps the cookie that comes last, and what went into the other session is lost:
	// nothing in the requests says that they belong together. Begin the session with
	// the page, and what the page loads will have its cookie.
	Guests bool
	// GuestTTL is their sliding lifetime, not more than the store's MaxLifetime. Default: the store's TTL.
	GuestTTL time.Duration
	// CarryOver names the keys that a login takes along from a guest's session, or
	// from the same user's.
	CarryOver []string

	// Bearer accepts the token in "Authorization: Bearer …" too, for mobile
	// applications and APIs. A request with that header gets no cookie, and its
	// cookies are not looked at. A token is never taken from the URL.
	Bearer bool

	// TrustedProxies are the addresses or CIDRs whose forwarding headers are
	// believed; "unix" stands for a proxy on a Unix socket. Default: nobody's.
	TrustedProxies []string
	// ProxyHeader is the header to believe: "X-Forwarded-For" (default) or
	// "Forwarded" (RFC 7239). Name the one that your proxy writes: the other one
	// may come from the client.
	ProxyHeader string

	// Fingerprint says what a change of browser does. Default: FingerprintObserve.
	Fingerprint FingerprintMode

	// RotateEvery replaces the token of a session in use from time to time; the
	// previous one keeps working for a grace, so that nobody is logged out. A new one that
	// has not come back within a minute was lost, and is replaced in its turn. 0 = never.
	RotateEvery time.Duration
	// DestroyOnReuse ends a session when a token comes back that was replaced
	// longer ago than the grace: somebody has a copy. There is an event in any case.
	DestroyOnReuse bool

	// ErrorHandler answers a request whose session could not be read, or whose
	// changes could not be written. Default: 503, or 500 if the changes were at fault
	// ([sessile.ErrDataTooLarge]). The error is never a mere "not logged in".
	ErrorHandler func(http.ResponseWriter, *http.Request, error)
	// AllowAnonymousOnError serves a request whose session could not be read without
	// one; see [Handle.Err]. Its cookie is left alone.
	AllowAnonymousOnError bool

	// ClearSiteData sends this value of the Clear-Site-Data header with a logout, for example `"cache"`.
	ClearSiteData string
	// CommitTimeout bounds the writing of a session when the response begins, which
	// does not die with the client's connection. Default 5 s.
	CommitTimeout time.Duration
}

// withDefaults fills in what is zero, and copies what the caller may change later.
func (o Options) withDefaults() Options {
	o.Fingerprint = cmp.Or(o.Fingerprint, FingerprintObserve)
	o.CommitTimeout = cmp.Or(o.CommitTimeout, 5*time.Second)
	o.CarryOver = slices.Clone(o.CarryOver)
	if o.ErrorHandler == nil {
		o.ErrorHandler = unavailable
	}
	return o
}

// check reports every fault that concerns neither cookie nor proxies.
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
	fault(o.GuestTTL > 0 && !o.Guests, "guest TTL without guests")
	fault(o.RotateEvery < 0, "rotation interval %v is negative", o.RotateEvery)
	fault(o.RotateEvery > 0 && o.RotateEvery < time.Minute,
		"rotation interval %v: rotating more often than once a minute only costs writes", o.RotateEvery)
	fault(slices.Contains(o.CarryOver, ""), "a key to carry over is empty")
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
	w.Header().Set("Retry-After", "1")
	http.Error(w, "Sessions are unavailable at the moment.", http.StatusServiceUnavailable)
}
