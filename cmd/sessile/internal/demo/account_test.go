package demo

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

const newPassword = "another long one"

// A password change needs a session that is valid when the password changes, not only when the
// request's headers arrive:
//
//  1. A thief with a stolen cookie sends the headers of a password change.
//  2. The owner logs out the other devices.
//  3. The thief sends the body. The change must fail.
func TestPasswordChangeOfAnEndedSessionChangesNothing(t *testing.T) { // ASVS 7.4.1
	s := newSite(t, nil)
	alice, thief := s.browser().login("alice"), s.browser().login("alice")
	form := url.Values{"password": {newPassword}}.Encode()
	sendBody := thief.head("/account/password", len(form))
	alice.post("/devices/logout-others")
	if status := sendBody(form); status == http.StatusOK || thief.isLoggedIn() {
		t.Errorf("the thief got %d", status)
	}
	if err := s.passwordIs("alice", Password); err != nil {
		t.Errorf("the thief has changed the password: %v", err)
	}
}

// A login that began with the old password does not survive the password change.
func TestLoginUnderWayEndsWithAChangedPassword(t *testing.T) { // ASVS 7.4.3
	s := newSite(t, func(c *settings.Settings) { c.Store.MaxSessionsPerUser = sessile.NoSessionLimit })
	owner := s.browser().login("alice")
	const logins = 60
	devices := make([]*browser, logins)
	var all sync.WaitGroup
	begun := make(chan struct{}, logins)
	for i := range devices {
		devices[i] = s.browser()
		all.Go(func() {
			begun <- struct{}{}
			devices[i].post("/login", "name", "alice", "password", Password)
		})
	}
	for range logins / 2 {
		<-begun
	}
	if p := owner.post("/account/password", "password", newPassword); p.path != "/devices" {
		t.Fatalf("changing the password leads to %s with %d", p.path, p.status)
	}
	all.Wait()
	for i, d := range devices {
		if d.isLoggedIn() {
			t.Errorf("login %d with the old password survives its change", i)
		}
	}
	if !owner.isLoggedIn() {
		t.Error("the owner is logged out")
	}
}

func (s *site) passwordIs(name, password string) error {
	_, err := s.app.users.Verify(s.Context(), name, password)
	return err
}

// head sends the headers of a POST and waits until the handler reads the body. send sends the body
// and returns the status.
func (b *browser) head(path string, length int) (send func(body string) int) {
	b.Helper()
	at, err := url.Parse(b.url)
	if err != nil {
		b.Fatal(err)
	}
	c, err := new(net.Dialer).DialContext(b.Context(), "tcp", at.Host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	var cookies []string
	for _, x := range b.client.Jar.Cookies(at) {
		cookies = append(cookies, x.Name+"="+x.Value)
	}
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nCookie: %s\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n",
		path, at.Host, b.agent, strings.Join(cookies, "; "), length)
	answers := bufio.NewReader(c)
	asked, err := http.ReadResponse(answers, nil)
	if err != nil || asked.StatusCode != http.StatusContinue {
		b.Fatalf("the server does not ask for the body: %v, %v", asked, err)
	}
	asked.Body.Close()
	return func(body string) int {
		b.Helper()
		fmt.Fprint(c, body)
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			b.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
}
