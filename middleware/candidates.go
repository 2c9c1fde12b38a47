package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// maxCandidates bounds the lookups that one request can cause.
const maxCandidates = 3

// maxEnded bounds those that a login or logout can cause. No browser keeps more cookies of
// a domain (Chrome: 180).
const maxEnded = 180

// candidates are the values of our cookie in a request that have a token's
// length, each once, at most maxCandidates, in the order in which they came.
type candidates struct {
	values  [maxCandidates]string
	n       int
	rest    []string // the others, if they are asked for
	room    int      // for the rest
	present bool     // there is a cookie of that name, whatever its value
	more    bool     // there are more candidates than that
}

// sent are the values.
func (c *candidates) sent() []string { return c.values[:c.n] }

// findAll is every value that find would find without its bound, up to maxEnded.
func (p *cookiePolicy) findAll(h http.Header) []string {
	c := candidates{room: maxEnded - maxCandidates}
	c.find(h, p.name)
	return append(c.sent(), c.rest...)
}

// find looks through every Cookie line (RFC 6265 §5.4) without allocating, and
// in time linear in its length: a header may have a megabyte. Names are compared
// exactly, so a "__host-session" is not ours.
func (p *cookiePolicy) find(h http.Header) (c candidates) {
	c.find(h, p.name)
	return c
}

func (c *candidates) find(h http.Header, name string) {
	for _, line := range h["Cookie"] {
		if c.more {
			break
		}
		c.scan(line, name)
	}
}

// scan looks for a name rather than splitting the line. A place where the name
// occurs in something else overlaps no place where it is one.
func (c *candidates) scan(line, name string) {
	for at := 0; !c.more; {
		i := strings.Index(line[at:], name)
		if i < 0 {
			return
		}
		begin := at + i
		at = begin + len(name)
		if at == len(line) || line[at] != '=' || !beginsPair(line[:begin]) {
			continue
		}
		value, _, _ := strings.Cut(line[at+1:], ";")
		at += 1 + len(value)
		c.present = true
		if value = unquote(trimRight(value)); len(value) == tokenLength {
			c.add(value)
		}
	}
}

// beginsPair reports whether a cookie can begin after before.
func beginsPair(before string) bool {
	before = trimRight(before)
	return before == "" || before[len(before)-1] == ';'
}

func (c *candidates) add(value string) {
	switch {
	case slices.Contains(c.sent(), value), slices.Contains(c.rest, value):
	case c.n < maxCandidates:
		c.values[c.n] = value
		c.n++
	case len(c.rest) < c.room:
		c.rest = append(c.rest, value)
	default:
		c.more = true
	}
}

// unquote removes the double quotes that a cookie's value may stand in (RFC 6265 §4.1.1).
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// bearer returns the token text of the first Authorization header, and whether any
// of them has the scheme Bearer (RFC 6750), well formed or not. Such a request has
// decided against its cookies.
func bearer(h http.Header) (text string, found bool) {
	for i, line := range h["Authorization"] {
		rest, ok := afterScheme(line, "bearer")
		if !ok {
			continue
		}
		if found = true; i == 0 {
			text = strings.TrimLeft(rest, " ")
		}
	}
	return text, found
}

// afterScheme is what follows an authentication scheme, in any case, unless line has
// a longer scheme that begins like it.
func afterScheme(line, scheme string) (string, bool) {
	line = trimSpace(line)
	if !hasPrefix(line, scheme) {
		return "", false
	}
	rest := line[len(scheme):]
	return rest, rest == "" || !isTokenByte(rest[0])
}

// isTokenByte reports what a scheme's name consists of (RFC 9110 §5.6.2).
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// trimRight removes what HTTP calls white space from the end.
func trimRight(s string) string {
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// trimSpace removes what HTTP calls white space.
func trimSpace(s string) string { return strings.Trim(s, " \t") }
