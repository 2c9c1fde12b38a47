package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// Cookie describes the cookie that holds the token. HttpOnly is always on.
type Cookie struct {
	Name        string        // default "__Host-session", or "session" if Options.Insecure
	Path        string        // default "/"
	Domain      string        // default: the host alone
	SameSite    http.SameSite // default Lax
	Partitioned bool          // CHIPS: one cookie jar per top-level site
	Session     bool          // no Max-Age: the browser forgets it when it closes
}

// maxAge bounds Max-Age (RFC 6265bis: 400 days).
const maxAge = 400 * 24 * time.Hour

// Limits of browsers (RFC 6265bis).
const (
	maxNameValue  = 4096
	maxAttributes = 1024
	tokenLength   = 47
)

// cookiePolicy is a Cookie that has been checked.
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
	p := cookiePolicy{name: c.Name, session: c.Session, base: http.Cookie{
		Name: c.Name, Path: c.Path, Domain: c.Domain, SameSite: c.SameSite,
		Partitioned: c.Partitioned, Secure: !insecure, HttpOnly: true,
	}}
	return p, p.check()
}

// check refuses what net/http would send and browsers would drop.
func (p cookiePolicy) check() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("cookie: "+format, args...))
		}
	}
	c := p.base
	c.Value = strings.Repeat("x", tokenLength)
	if err := c.Valid(); err != nil {
		errs = append(errs, err)
	}
	host, secure := hasPrefix(c.Name, "__Host-"), hasPrefix(c.Name, "__Secure-")
	fault((host || secure) && !c.Secure, "%s needs Secure", c.Name)
	fault(host && c.Domain != "", "%s must not have a Domain", c.Name)
	fault(host && c.Path != "/", "%s needs Path=/", c.Name)
	fault(hasPrefix(c.Name, "__Http-") || hasPrefix(c.Name, "__Host-Http-"), "%s has a prefix that is not supported", c.Name)
	fault(c.SameSite == http.SameSiteNoneMode && !c.Secure, "SameSite=None needs Secure")
	fault(c.Partitioned && !c.Secure, "Partitioned needs Secure")
	fault(!strings.HasPrefix(c.Path, "/"), "Path %q does not begin with /", c.Path)
	fault(len(c.Name)+tokenLength > maxNameValue, "name is too long")
	fault(len(c.Path) > maxAttributes || len(c.Domain) > maxAttributes, "an attribute is too long")
	return errors.Join(errs...)
}

// hasPrefix ignores case, as browsers do with these prefixes.
func hasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// set is the Set-Cookie value that gives a browser a token.
func (p *cookiePolicy) set(t sessile.Token, left time.Duration) string {
	c := p.base
	c.Value = t.Reveal()
	if !p.session {
		c.MaxAge = int(max(min(left, maxAge), time.Second) / time.Second)
	}
	return c.String()
}

// remove is the Set-Cookie value that takes it away, with the same attributes.
func (p *cookiePolicy) remove() string {
	c := p.base
	c.MaxAge = -1
	return c.String()
}

// maxCandidates bounds the lookups that one request can cause.
const maxCandidates = 3

// candidates are the values of our cookie in a request that have a token's
// length, each once, at most maxCandidates. present tells of any value at all.
type candidates struct {
	values  [maxCandidates]string
	n       int
	present bool
}

// find looks through every Cookie line (RFC 6265 §5.4) without allocating.
func (p *cookiePolicy) find(h http.Header) (c candidates) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(trimSpace(pair), "=")
			if !ok || name != p.name {
				continue
			}
			c.present = true
			if len(value) == tokenLength {
				c.add(value)
			}
		}
	}
	return c
}

func (c *candidates) add(value string) {
	for _, v := range c.values[:c.n] {
		if v == value {
			return
		}
	}
	if c.n < maxCandidates {
		c.values[c.n] = value
		c.n++
	}
}

// trimSpace removes what HTTP calls white space.
func trimSpace(s string) string { return strings.Trim(s, " \t") }

// bearer is the token text of an Authorization header.
func bearer(h http.Header) (string, bool) {
	const scheme = "bearer "
	v := h.Get("Authorization")
	if len(v) <= len(scheme) || !strings.EqualFold(v[:len(scheme)], scheme) {
		return "", false
	}
	return strings.TrimLeft(v[len(scheme):], " "), true
}
