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
	SessionCookie bool          // no Max-Age: the browser drops it when it closes
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
	p := cookiePolicy{name: c.Name, session: c.SessionCookie, base: http.Cookie{ //nolint:gosec // Insecure is for development
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
	c.Value = strings.Repeat("x", tokenLength)
	// Partitioned is checked below, with a better message than net/http's.
	c.Partitioned = false
	if err := c.Valid(); err != nil {
		fault(true, "%w", err)
	}
	// Browsers ignore case in prefixes. __Http- and __Host-Http- also require HttpOnly, which is always on.
	host := hasPrefix(c.Name, "__Host-")
	fault((host || hasPrefix(c.Name, "__Secure-") || hasPrefix(c.Name, "__Http-")) && !c.Secure, "name %q needs Secure", c.Name)
	fault(host && c.Domain != "", "name %q must not have a Domain", c.Name)
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

// set returns the Set-Cookie value for a token whose session lives for left. Max-Age is rounded to
// seconds.
func (p *cookiePolicy) set(t sessile.Token, left time.Duration) string {
	c := p.base //nolint:gosec // as above
	c.Value = t.Reveal()
	if !p.session {
		c.MaxAge = int(max(min(left, maxAge).Round(time.Second), time.Second) / time.Second)
	}
	return c.String()
}

// remove returns the Set-Cookie value that removes the cookie. It has the same attributes, because
// with others a browser would keep the cookie.
func (p *cookiePolicy) remove() string {
	c := p.base //nolint:gosec // as above
	c.MaxAge = -1
	return c.String()
}
