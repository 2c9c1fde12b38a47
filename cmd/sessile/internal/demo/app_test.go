package demo

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is the demo on a real server, over a real file.
type site struct {
	*testing.T
	app *App
	url string
}

func newSite(t *testing.T, change func(*settings.Settings)) *site {
	t.Helper()
	s := settings.Defaults()
	s.Store.Path = filepath.Join(t.TempDir(), "demo.db")
	if change != nil {
		change(&s)
	}
	app, err := Open(t.Context(), s, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app)
	t.Cleanup(func() {
		app.EndStreams()
		server.Close()
		if err := app.Close(); err != nil {
			t.Errorf("closing the demo: %v", err)
		}
	})
	return &site{t, app, server.URL}
}

// browser is one device with a cookie jar. It follows redirects.
type browser struct {
	*site
	client *http.Client
	agent  string
}

const laptop = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func (s *site) browser() *browser {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{}}
	s.Cleanup(client.CloseIdleConnections)
	return &browser{s, client, laptop}
}

// page is a response that was read completely.
type page struct {
	status int
	path   string // after all redirects
	header http.Header
	body   string
}

func (b *browser) send(method, path string, form url.Values, header ...string) page {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("User-Agent", b.agent)
	req.Header.Set("Accept", "text/html,*/*")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return page{resp.StatusCode, resp.Request.URL.Path, resp.Header, string(body)}
}

func (b *browser) get(path string) page {
	b.Helper()
	return b.send("GET", path, nil)
}

func (b *browser) post(path string, pairs ...string) page {
	b.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.send("POST", path, form)
}

func (b *browser) login(name string) *browser {
	b.Helper()
	if p := b.post("/login", "name", name, "password", Password, "next", "/session"); p.path != "/session" {
		b.Fatalf("login led to %s with %d", p.path, p.status)
	}
	return b
}

// cookie returns the value of the session cookie, or "".
func (b *browser) cookie() string {
	b.Helper()
	at, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(at) {
		return c.Value
	}
	return ""
}

// thief returns a browser with a copy of this one's cookies.
func (b *browser) thief() *browser {
	b.Helper()
	at, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	other := b.browser()
	other.client.Jar.SetCookies(at, b.client.Jar.Cookies(at))
	return other
}

func (b *browser) isLoggedIn() bool {
	b.Helper()
	return b.get("/api/me").status == http.StatusOK
}

func TestPagesRender(t *testing.T) {
	s := newSite(t, nil)
	visitor, alice := s.browser(), s.browser().login("alice")
	for _, c := range []struct {
		who         *browser
		path, shows string
	}{
		{visitor, "/", "Nothing in it yet"},
		{visitor, "/login", "sessile-demo"},
		{alice, "/", "Your cart"},
		{alice, "/session", "Absolute timeout"},
		{alice, "/devices", "This device"},
		{alice, "/live", "What happened"},
		{alice, "/account", "New password"},
		{alice, "/confirm", "Confirm that it’s you"},
	} {
		p := c.who.get(c.path)
		if p.status != http.StatusOK || p.path != c.path || !strings.Contains(p.body, c.shows) {
			t.Errorf("%s: %d at %s, %q is not in:\n%s", c.path, p.status, p.path, c.shows, p.body)
		}
		if p.header.Get("Content-Security-Policy") != contentPolicy || p.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", c.path, p.header)
		}
		if strings.Contains(p.body, "style=") || strings.Contains(p.body, "onclick") || strings.Contains(p.body, "<script>") {
			t.Errorf("%s has something inline, which the policy forbids", c.path)
		}
	}
	if visitor.cookie() != "" {
		t.Error("looking began a session")
	}
}

func TestPrivatePagesAskForALogin(t *testing.T) {
	visitor := newSite(t, nil).browser()
	for _, path := range []string{"/session", "/devices", "/live", "/account", "/confirm"} {
		if p := visitor.get(path); p.path != "/login" || !strings.Contains(p.body, `name="next" value="`+path+`"`) {
			t.Errorf("%s leads to %s:\n%s", path, p.path, p.body)
		}
	}
	for _, path := range []string{"/api/me", "/api/sessions", "/api/stats"} {
		if p := visitor.get(path); p.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, p.status)
		}
	}
}

func TestGuestCartComesAlongAtLogin(t *testing.T) {
	guest := newSite(t, nil).browser()
	guest.post("/cart", "item", "coral")
	if p := guest.post("/cart", "item", "coral"); !strings.Contains(p.body, "2 × Coral") {
		t.Fatalf("the guest's cart:\n%s", p.body)
	}
	before, fixated := guest.cookie(), guest.thief()
	guest.login("alice")
	if p := guest.get("/"); !strings.Contains(p.body, "2 × Coral") {
		t.Errorf("the cart after the login:\n%s", p.body)
	}
	if guest.cookie() == before {
		t.Error("the login kept the guest's token")
	}
	if p := fixated.get("/"); strings.Contains(p.body, "Coral</span>") || fixated.isLoggedIn() {
		t.Error("the guest's token opens something after the login")
	}
}

func TestCrossOriginPostsAreRefused(t *testing.T) { // S52
	alice := newSite(t, nil).browser().login("alice")
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, path := range []string{"/logout", "/devices/logout-all", "/api/logout"} {
			if p := alice.send("POST", path, url.Values{}, header[0], header[1]); p.status != http.StatusForbidden {
				t.Errorf("%s with %s: %d", path, header, p.status)
			}
		}
	}
	if !alice.isLoggedIn() {
		t.Error("a refused request logged out")
	}
}

func TestRevokedDeviceIsLoggedOut(t *testing.T) { // A15, S34
	s := newSite(t, nil)
	first, second, stranger := s.browser().login("alice"), s.browser().login("alice"), s.browser().login("bob")
	id := second.sessionID()
	if p := stranger.post("/devices/revoke", "id", id); p.status != http.StatusNotFound || !second.isLoggedIn() {
		t.Fatalf("another user's revocation: %d", p.status)
	}
	if p := first.post("/devices/revoke", "id", id); !strings.Contains(p.body, "The device was logged out") {
		t.Errorf("revoking: %d\n%s", p.status, p.body)
	}
	was := second.cookie()
	if p := second.get("/session"); p.path != "/login" || second.cookie() == was || second.isLoggedIn() { // a guest's cookie has the reason
		t.Errorf("the revoked device gets %s and keeps cookie %q", p.path, second.cookie())
	}
	if p := first.post("/devices/revoke", "id", first.sessionID()); p.path != "/login" || first.cookie() != "" {
		t.Errorf("revoking this device leads to %s", p.path)
	}
}

func TestLogoutKillsTheCookie(t *testing.T) { // A21
	alice := newSite(t, nil).browser().login("alice")
	thief := alice.thief()
	if p := alice.post("/logout"); !strings.Contains(p.body, "You are logged out") || alice.cookie() != "" {
		t.Errorf("logout leads to %s", p.path)
	}
	if thief.isLoggedIn() {
		t.Error("the cookie works after the logout")
	}
}

func TestDangerousActionNeedsAFreshPassword(t *testing.T) { // S20, A23
	s := newSite(t, func(s *settings.Settings) { s.FreshFor = time.Nanosecond })
	alice, other := s.browser().login("alice"), s.browser().login("alice")
	if p := alice.get("/account"); p.path != "/confirm" {
		t.Errorf("the account page leads to %s", p.path)
	}
	if p := alice.post("/account/password", "password", "new password"); strings.Contains(p.body, "was changed") {
		t.Error("the password was changed without a fresh proof")
	}
	if p := alice.post("/confirm", "password", "wrong"); p.status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", p.status)
	}
	if !alice.isLoggedIn() || !other.isLoggedIn() {
		t.Error("somebody was logged out")
	}
}

func TestChangedPasswordEndsOtherDevices(t *testing.T) { // A23
	s := newSite(t, nil)
	alice, other := s.browser().login("alice"), s.browser().login("alice")
	thief := alice.thief()
	if p := alice.post("/account/password", "password", "short"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a weak password: %d", p.status)
	}
	if p := alice.post("/account/password", "password", "barnacle weather"); !strings.Contains(p.body, "Your password was changed") {
		t.Errorf("changing the password: %d\n%s", p.status, p.body)
	}
	if !alice.isLoggedIn() || other.isLoggedIn() || thief.isLoggedIn() {
		t.Errorf("logged in: this %v, other %v, old token %v", alice.isLoggedIn(), other.isLoggedIn(), thief.isLoggedIn())
	}
	if p := s.browser().post("/login", "name", "alice", "password", Password); p.status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", p.status)
	}
}

func TestConfirmReplacesTheToken(t *testing.T) { // S20
	alice := newSite(t, nil).browser().login("alice")
	thief := alice.thief()
	if p := alice.post("/confirm", "password", Password, "next", "/devices"); p.path != "/devices" {
		t.Errorf("confirming leads to %s with %d", p.path, p.status)
	}
	if !alice.isLoggedIn() || thief.isLoggedIn() {
		t.Error("the token was not replaced")
	}
}

func TestRedirectsStayOnTheSite(t *testing.T) { // CWE-601
	s := newSite(t, nil)
	for next, want := range map[string]string{
		"/devices": "/devices", "/live?a=b": "/live?a=b",
		"": "/", "devices": "/", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/", "/%zz": "/",
	} {
		alice := s.browser()
		alice.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		p := alice.post("/login", "name", "alice", "password", Password, "next", next)
		if got := p.header.Get("Location"); got != want {
			t.Errorf("a login with next=%q leads to %q, want %q", next, got, want)
		}
	}
}
