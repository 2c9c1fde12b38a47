package demo

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

func TestDashboardIsForTheAdministratorAlone(t *testing.T) {
	s := newSite(t, nil)
	if p := s.browser().get("/admin/"); p.path != "/login" {
		t.Errorf("a visitor is led to %s with %d", p.path, p.status)
	}
	if p := s.browser().login("alice").get("/admin/"); p.status != http.StatusForbidden || strings.Contains(p.body, "Sessions stored") {
		t.Errorf("a user: %d", p.status)
	}
	admin := s.browser().login(Admin)
	for _, path := range []string{"/admin/", "/admin/sessions", "/admin/api/health"} {
		if p := admin.get(path); p.status != http.StatusOK {
			t.Errorf("%s: %d\n%s", path, p.status, p.body)
		}
	}
	thief := admin.thief()
	admin.post("/logout")
	if p := thief.get("/admin/api/health"); p.path != "/login" {
		t.Errorf("after the logout: %s, %d", p.path, p.status)
	}
}

func TestDashboardRevokesASession(t *testing.T) {
	s := newSite(t, nil)
	alice, admin := s.browser().login("alice"), s.browser().login(Admin)
	id := alice.sessionID()
	p := admin.send("POST", "/admin/confirm/revoke", map[string][]string{"id": {id}}, "Sec-Fetch-Site", "same-origin")
	if p.status != http.StatusOK || !strings.Contains(p.body, "The session was revoked.") {
		t.Fatalf("%d\n%s", p.status, p.body)
	}
	if p := alice.get("/session"); p.path != "/login" {
		t.Errorf("alice is led to %s", p.path)
	}
}

// The cookie of an ended session is removed by the first response, so that page says why.
func TestEndOfASessionIsExplainedOnce(t *testing.T) {
	s := newSite(t, nil)
	const why = "Your session has ended: revoked by an administrator."
	for name, click := range map[string]func(*browser) page{
		"a page of users": func(b *browser) page { return b.get("/session") },
		"an open page":    func(b *browser) page { return b.get("/") },
		"a form":          func(b *browser) page { return b.post("/count") },
		"the dashboard":   func(b *browser) page { return b.get("/admin/") },
	} {
		alice := s.browser().login("alice")
		if n, err := s.app.store.DestroyAllForUser(t.Context(), "alice", sessile.EndRevoked); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if p := click(alice); !strings.Contains(p.body, why) {
			t.Errorf("%s: %s does not say why:\n%s", name, p.path, p.body)
		}
		if p := alice.get("/login"); strings.Contains(p.body, why) {
			t.Errorf("%s: the next page says it again", name)
		}
	}
}

func TestDashboardReadOnlyChangesNothing(t *testing.T) {
	s := newSite(t, func(x *settings.Settings) { x.ReadOnlyAdmin = true })
	alice, admin := s.browser().login("alice"), s.browser().login(Admin)
	if p := admin.send("POST", "/admin/api/revoke-all", nil, "Sessile-Admin", "1"); p.status != http.StatusForbidden {
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := alice.get("/api/me"); p.status != http.StatusOK {
		t.Errorf("alice: %d", p.status)
	}
}

// TestStormCollectsSavesInBatches: far fewer commits than saves, and no session is left.
func TestStormCollectsSavesInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := settings.Defaults()
		c.Store.Path = filepath.Join(t.TempDir(), "demo.db")
		app, err := Open(t.Context(), c, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if !app.startStorm() || app.startStorm() {
			t.Fatal("one storm must start, and not two")
		}
		app.storm.tasks.Wait()
		f := app.storm.figures(app.store.Stats())
		if f.Running || f.Saves < 64*1000 || f.Commits == 0 || f.Saves/int64(f.Commits) < 100 {
			t.Errorf("%+v", f)
		}
		if left := app.store.Stats(); left.Created != left.Destroyed {
			t.Errorf("%d sessions began and %d ended", left.Created, left.Destroyed)
		}
		if !app.startStorm() {
			t.Error("a second storm does not start after the first")
		}
		if err := app.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStormPageStartsOneAndStreamsItsFigures(t *testing.T) {
	s := newSite(t, nil)
	alice := s.browser().login("alice")
	if p := alice.post("/storm"); p.path != "/storm" || p.status != http.StatusOK {
		t.Fatalf("%s: %d", p.path, p.status)
	}
	if p := alice.post("/storm"); p.status != http.StatusConflict {
		t.Errorf("a second one: %d", p.status)
	}
	next := alice.streamOf("/storm/stream")
	for {
		name, data := next()
		if name == "eof" {
			t.Fatal("the stream ended")
		}
		var f stormFigures
		if err := json.Unmarshal([]byte(data), &f); err != nil {
			t.Fatal(err)
		}
		if f.Saves > 1000 && f.Commits > 0 {
			return
		}
	}
}
