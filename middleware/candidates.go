package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// maxCandidates limits the lookups that one request can cause.
const maxCandidates = 3

// maxEnded limits the lookups that a login or logout can cause. No browser keeps more cookies per
// domain (Chrome: 180).
const maxEnded = 180

// candidates are the distinct values of our cookie in a request that have the length of a token, in
// order, at most maxCandidates.
type candidates struct {
	values  [maxCandidates]string
	n       int
	rest    []string // further values, if they were requested
	room    int      // how many further values to keep
	present bool     // a cookie of that name exists, whatever its value
	more    bool     // there are more values than were kept
}

// sent returns the values.
func (c *candidates) sent() []string { return c.values[:c.n] }

// findAll returns every value that find would find without its limit, up to maxEnded.
func (p *cookiePolicy) findAll(h http.Header) []string {
	c := candidates{room: maxEnded - maxCandidates}
	c.find(h, p.name)
	return append(c.sent(), c.rest...)
}

// find reads every Cookie line (RFC 6265 §5.4). It does not allocate, and takes linear time,
// because a header may have a megabyte. It compares names exactly, so "__host-session" is not our
// cookie.
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

// scan searches for the name instead of splitting the line. An occurrence of the name inside
// something else never overlaps an occurrence that is a cookie's name.
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

// unquote removes double quotes around a cookie's value (RFC 6265 §4.1.1).
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// bearer returns the token text of the first Authorization header, and whether any of them has the
// scheme Bearer (RFC 6750), well formed or not. The cookies of such a request do not count.
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

// afterScheme returns what follows an authentication scheme, in any case. ok is false if line has
// another scheme, also one that only begins with this name.
func afterScheme(line, scheme string) (string, bool) {
	line = trimSpace(line)
	if !hasPrefix(line, scheme) {
		return "", false
	}
	rest := line[len(scheme):]
	return rest, rest == "" || !isTokenByte(rest[0])
}

// isTokenByte reports whether c may be part of a scheme's name (RFC 9110 §5.6.2).
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// trimRight removes HTTP white space from the end.
func trimRight(s string) string {
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// trimSpace removes HTTP white space from both ends.
func trimSpace(s string) string { return strings.Trim(s, " \t") }
