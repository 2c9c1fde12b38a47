package demo

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sessile/sessile/cmd/sessile/internal/settings"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

func TestNodesOfADatabaseShareSessions(t *testing.T) {
	database, err := postgrestest.Share()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(database.Stop)
	node := func(name string) *site {
		return newSite(t, func(s *settings.Settings) { s.Database, s.Node = database.URL(), name })
	}
	a, b := node("a"), node("b")
	alice := a.browser().login("alice")
	elsewhere := &browser{b, alice.client, laptop} // a cookie jar ignores ports
	if !elsewhere.isLoggedIn() {
		t.Error("node b does not know the login at node a")
	}
	elsewhere.post("/logout")
	if elsewhere.isLoggedIn() {
		t.Error("still logged in after the logout")
	}
}

func TestNodeIsShownInPagesAndResponses(t *testing.T) {
	visitor := newSite(t, func(s *settings.Settings) { s.Node = "shop-1" }).browser()
	for _, path := range []string{"/", "/healthz", "/nowhere"} {
		if p := visitor.get(path); p.header.Get("Sessile-Node") != "shop-1" {
			t.Errorf("%s: %v", path, p.header)
		}
	}
	if p := visitor.get("/"); !strings.Contains(p.body, "Node shop-1 answered") {
		t.Errorf("the page does not name the node:\n%s", p.body)
	}
	unnamed := newSite(t, nil).browser().get("/")
	if unnamed.header["Sessile-Node"] != nil || strings.Contains(unnamed.body, "answered") {
		t.Errorf("a node without a name: %v\n%s", unnamed.header, unnamed.body)
	}
}

func TestDatabasePasswordIsNotShownWhenTheDatabaseIsUnreachable(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	environ := []string{"SESSILE_DATABASE=postgres://sessile:" + secret + "@127.0.0.1:1/shop"}
	var out bytes.Buffer
	err := Run(t.Context(), []string{"-addr", "127.0.0.1:0"}, environ, io.Discard, &out)
	if err == nil || strings.Contains(err.Error()+out.String(), secret) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestParallelCartRequestsKeepEveryProduct(t *testing.T) {
	alice := newSite(t, nil).browser().login("alice")
	const each = 20
	var clients sync.WaitGroup
	for _, p := range products() {
		clients.Go(func() {
			for range each {
				if got := alice.post("/api/cart/" + p.ID); got.status != http.StatusOK {
					t.Errorf("%s: %d %s", p.ID, got.status, got.body)
				}
			}
		})
	}
	clients.Wait()
	got := alice.get("/api/me").body
	for _, p := range products() {
		if !strings.Contains(got, `"`+p.ID+`":20`) {
			t.Errorf("not %d of %s: %s", each, p.ID, got)
		}
	}
}
