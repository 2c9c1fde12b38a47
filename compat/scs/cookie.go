package scs

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// WriteSessionCookie sets the cookie on a response, or removes it if expiry is zero. It is for
// programs without LoadAndSave.
func (s *SessionManager) WriteSessionCookie(ctx context.Context, w http.ResponseWriter, token string, expiry time.Time) {
	c := &http.Cookie{ //nolint:gosec // Secure is the program's choice, as in scs
		Name: s.Cookie.Name, Value: token, Domain: s.Cookie.Domain, Path: s.Cookie.Path, HttpOnly: true,
		Secure: s.Cookie.Secure, SameSite: s.Cookie.SameSite, Partitioned: s.Cookie.Partitioned,
	}
	switch {
	case expiry.IsZero():
		c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	case s.Cookie.Persist || s.GetBool(ctx, rememberKey):
		c.Expires = expiry.Add(time.Second)
		c.MaxAge = max(1, int(expiry.Sub(s.store.Now())/time.Second)+1)
	}
	w.Header().Add("Set-Cookie", c.String())
	w.Header().Set("Cache-Control", "no-store")
}

// attributes gives the cookie that the middleware sends the attributes of scs: Expires beside
// Max-Age, or neither if the cookie ends with the browser.
func (s *SessionManager) attributes(header http.Header, d *sessionData) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, line := range header["Set-Cookie"] {
		if !strings.HasPrefix(line, s.Cookie.Name+"=") {
			continue
		}
		c, err := http.ParseSetCookie(line)
		if err != nil {
			continue
		}
		switch {
		case c.MaxAge < 0:
			c.Expires = time.Unix(1, 0)
		case s.Cookie.Persist || as[bool](d.values[rememberKey]):
			end := earlier(s.store.Now().Add(time.Duration(c.MaxAge)*time.Second), d.deadline)
			c.Expires, c.MaxAge = end, max(1, int(end.Sub(s.store.Now())/time.Second))
		default:
			c.MaxAge = 0
		}
		header["Set-Cookie"][i] = c.String()
	}
}
