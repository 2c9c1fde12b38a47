package middlewaretest

import (
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Client is a browser for tests. It has a cookie jar, follows redirects, and speaks HTTPS to the
// application on a real server. Its fields may be changed before the first request.
type Client struct {
	*http.Client
	URL    string      // of the application, without a trailing slash
	Header http.Header // sent with every request of Get, Post and Send

	tb       testing.TB
	sessions *middleware.Sessions
	server   *httptest.Server
}

// Response is a response and its whole body as text.
type Response struct {
	*http.Response
	Text string
}

// NewClient starts a server for app and returns a client of it. app is the whole application, with
// m.Handler somewhere in it. The server stops when the test ends.
func NewClient(tb testing.TB, m *middleware.Sessions, app http.Handler) *Client {
	tb.Helper()
	server := httptest.NewUnstartedServer(app)
	server.EnableHTTP2 = true
	server.StartTLS()
	tb.Cleanup(server.Close)
	c := &Client{URL: server.URL, tb: tb, sessions: m, server: server}
	return c.NewDevice()
}

// NewDevice returns another browser for the same application, with an empty jar.
func (c *Client) NewDevice() *Client {
	c.tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.tb.Fatalf("making a cookie jar: %v", err)
	}
	d := *c
	d.Client = &http.Client{Jar: jar, Transport: c.server.Client().Transport}
	d.Header = make(http.Header)
	c.tb.Cleanup(d.CloseIdleConnections)
	return &d
}

// Get sends a GET request.
func (c *Client) Get(path string) Response {
	c.tb.Helper()
	return c.Send(http.MethodGet, path, nil)
}

// Post sends a form in a POST request.
func (c *Client) Post(path string, form url.Values) Response {
	c.tb.Helper()
	return c.Send(http.MethodPost, path, form)
}

// Send sends a request. Its body is form, unless that is nil. It fails the test if there is no
// response.
func (c *Client) Send(method, path string, form url.Values) Response {
	c.tb.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(c.tb.Context(), method, c.URL+path, body)
	if err != nil {
		c.tb.Fatalf("making a request: %v", err)
	}
	maps.Copy(r.Header, c.Header)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Do(r)
	if err != nil {
		c.tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.tb.Fatalf("reading the answer to %s %s: %v", method, path, err)
	}
	return Response{resp, string(text)}
}

// Login creates a session for a user and puts its cookie into the jar, without the application's
// login page.
func (c *Client) Login(userID string) sessile.Session {
	c.tb.Helper()
	r := httptest.NewRequestWithContext(c.tb.Context(), http.MethodGet, c.URL, nil)
	maps.Copy(r.Header, c.Header)
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "Go-http-client/2.0") // what Get will send
	}
	s := Login(c.tb, c.sessions, r, sessile.NewSession{UserID: userID})
	cookies := r.Cookies()
	for _, cookie := range cookies {
		cookie.Secure, cookie.HttpOnly, cookie.Path = true, true, "/"
	}
	c.Jar.SetCookies(c.root(), cookies)
	return s
}

// Cookie returns the session cookie in the jar, or nil.
func (c *Client) Cookie() *http.Cookie {
	for _, cookie := range c.Jar.Cookies(c.root()) {
		if cookie.Name == c.sessions.CookieName() {
			return cookie
		}
	}
	return nil
}

// Session returns the session that the cookie in the jar opens, and whether there is one.
func (c *Client) Session() (sessile.Session, bool) {
	c.tb.Helper()
	cookie := c.Cookie()
	if cookie == nil {
		return sessile.Session{}, false
	}
	return open(c.tb, c.sessions, cookie.Value)
}

func (c *Client) root() *url.URL {
	u, err := url.Parse(c.URL + "/")
	if err != nil {
		c.tb.Fatalf("parsing the server's URL: %v", err)
	}
	return u
}
