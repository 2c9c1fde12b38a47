package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// maxCandidates bounds the lookups that one request can cause.
const maxCandidates = 3

// candidates are the values of our cookie in a request that have a token's
// length, each once, at most maxCandidates, in the order in which they came.
// present tells of any cookie of that name at all.
type candidates struct {
	values  [maxCandidates]string
	n       int
	present bool
}

// find looks through every Cookie line (RFC 6265 §5.4) without allocating, and
// in time linear in its length: a header may have a megabyte. Names are compared
// exactly, so a "__host-session" is not ours.
func (p *cookiePolicy) find(h http.Header) (c candidates) {
	for _, line := range h["Cookie"] {
		if c.n == maxCandidates {
			break
		}
		c.scan(line, p.name)
	}
	return c
}

// scan looks for a name rather than splitting the line. A place where the name
// occurs in something else overlaps no place where it is one.
func (c *candidates) scan(line, name string) {
	for at := 0; c.n < maxCandidates; {
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
		if value = trimRight(value); len(value) == tokenLength {
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
	if !slices.Contains(c.values[:c.n], value) {
		c.values[c.n] = value
		c.n++
	}
}

// bearer is the token text of an Authorization header (RFC 6750).
func bearer(h http.Header) (string, bool) {
	const scheme = "bearer "
	v := h.Get("Authorization")
	if !hasPrefix(v, scheme) {
		return "", false
	}
	return strings.TrimLeft(v[len(scheme):], " "), true
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
