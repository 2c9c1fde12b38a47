package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// Cookie describes the cookie that holds the token. It is always HttpOnly, and Secure unless
// Options.Insecure is set.
type Cookie struct {
	Name          string        // default "__Host-session", or "session" if Options.Insecure
	Path          string        // default "/"
	Domain        string        // default "": only the host that sets it
	SameSite      http.SameSite // default Lax
	Partitioned   bool          // CHIPS: one cookie jar per top-level site
	SessionCookie bool          // no Max-Age: the browser drops it when it closes; Login.Remember overrides it

	// DomainFunc returns the Domain for one request, for example that of a tenant. "" means only the
	// host that sets the cookie. Like Domain, it needs a Name without the prefix "__Host-". It must
	// return the same value for all requests of one host. Otherwise the browser keeps the cookie of
	// the other domain when this one is removed.
	//
	// It runs for each request whose handler accesses the session, when the response begins. It must be
	// safe for concurrent use. If it returns something that is not a domain, nothing is written,
	// and Options.ErrorHandler answers with a [sessile.ErrInvalidConfig]. A browser drops a cookie whose
	// domain does not cover the host of the request, or is a public suffix.
	DomainFunc func(*http.Request) string
}

// maxAge limits Max-Age (RFC 6265bis §5.5: 400 days).
const maxAge = 400 * 24 * time.Hour

// Limits of browsers (RFC 6265bis §5.6).
const (
	maxNameValue  = 4096
	maxAttributes = 1024
	tokenLength   = 52
)

// cookiePolicy is a Cookie with its defaults.
type cookiePolicy struct {
	name    string
	base    http.Cookie
	session bool
	domain  func(*http.Request) string // nil = that of base
}

func newCookiePolicy(c Cookie, insecure bool) (cookiePolicy, error) {
	if c.Name == "" {
		c.Name = "__Host-session"
		if insecure {
			c.Name = "session"
		}
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	p := cookiePolicy{name: c.Name, session: c.SessionCookie, domain: c.DomainFunc, base: http.Cookie{ //nolint:gosec // Insecure is for development
		Name: c.Name, Path: c.Path, Domain: c.Domain, SameSite: c.SameSite,
		Partitioned: c.Partitioned, Secure: !insecure, HttpOnly: true,
	}}
	return p, p.check()
}

// check refuses cookies that net/http would send and browsers would drop. It reports every fault.
func (p *cookiePolicy) check() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("cookie: "+format, args...))
		}
	}
	c := p.base //nolint:gosec // as above
	// Partitioned is checked below, with a better message than net/http's.
	c.Partitioned = false
	if err := c.Valid(); err != nil {
		fault(true, "%w", err)
	}
	// Browsers ignore case in prefixes. __Http- and __Host-Http- also require HttpOnly, which is always on.
	host := hasPrefix(c.Name, "__Host-")
	fault((host || hasPrefix(c.Name, "__Secure-") || hasPrefix(c.Name, "__Http-")) && !c.Secure, "name %q needs Secure", c.Name)
	fault(host && (c.Domain != "" || p.domain != nil), "name %q must not have a Domain", c.Name)
	fault(c.Domain != "" && p.domain != nil, "set either Domain or DomainFunc, not both")
	fault(host && c.Path != "/", "name %q needs Path=/", c.Name)
	fault(c.SameSite < http.SameSiteLaxMode || c.SameSite > http.SameSiteNoneMode, "SameSite %d is unknown", c.SameSite)
	fault(c.SameSite == http.SameSiteNoneMode && !c.Secure, "SameSite=None needs Secure")
	fault(p.base.Partitioned && !c.Secure, "Partitioned needs Secure")
	fault(!strings.HasPrefix(c.Path, "/"), "Path %q does not begin with /", c.Path)
	fault(len(c.Name)+tokenLength > maxNameValue, "name and value are longer than %d bytes", maxNameValue)
	fault(len(c.Path) > maxAttributes, "Path is longer than %d bytes", maxAttributes)
	fault(len(c.Domain) > maxAttributes, "Domain is longer than %d bytes", maxAttributes)
	return errors.Join(errs...)
}

// hasPrefix is strings.HasPrefix without regard to case.
func hasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// domainOf returns the Domain of the cookie for a request.
func (p *cookiePolicy) domainOf(r *http.Request) (string, error) {
	if p.domain == nil {
		return p.base.Domain, nil
	}
	c := http.Cookie{Name: "x", Domain: p.domain(r)} //nolint:gosec // never sent
	if c.Valid() != nil || len(c.Domain) > maxAttributes {
		return "", fmt.Errorf("session cookie: %w: DomainFunc returned %.100q, which is not a domain", sessile.ErrInvalidConfig, c.Domain)
	}
	return c.Domain, nil
}

// persists reports whether the cookie of a session outlives the browser.
func (p *cookiePolicy) persists(s sessile.Session) bool {
	switch s.Remember() {
	case sessile.RememberYes:
		return true
	case sessile.RememberNo:
		return false
	default:
		return !p.session
	}
}

// set returns the Set-Cookie value for a token of a session that lives for left. Max-Age is rounded
// to seconds.
func (p *cookiePolicy) set(t sessile.Token, s sessile.Session, left time.Duration, domain string) string {
	c := p.base //nolint:gosec // as above
	c.Value, c.Domain = t.Reveal(), domain
	if p.persists(s) {
		c.MaxAge = int(max(min(left, maxAge).Round(time.Second), time.Second) / time.Second)
	}
	return c.String()
}

// remove returns the Set-Cookie value that removes the cookie. It has the same attributes, because
// with others a browser would keep the cookie.
func (p *cookiePolicy) remove(domain string) string {
	c := p.base //nolint:gosec // as above
	c.MaxAge, c.Domain = -1, domain
	return c.String()
}
