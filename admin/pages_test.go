package admin_test

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sessile/sessile/admin"
)

func TestPagesAskBeforeAChangeAndThenMakeIt(t *testing.T) {
	f := setUp(t, func(o *admin.Options) { o.BackupDir = t.TempDir() })
	one, _ := f.login("ann")
	two, _ := f.login("ann")
	three, _ := f.login("ann")
	bob, _ := f.login("bob")
	for _, step := range []struct{ action, form, title, done string }{
		{"revoke", "id=" + one.ID().String(), "Revoke this session", "The session was revoked."},
		{"revoke-user", "user=ann&except=" + two.ID().String(), "Log out this user", "1 session ended."},
		{"revoke-user", "user=ann", "Log out this user", "1 session ended."},
		{"cleanup", "", "Delete expired sessions", "Expired and deleted: 0 sessions."},
		{"sync", "", "Write everything to disk", "Everything is on disk."},
		{"backup", "", "Make a backup", "The backup sessile-"},
		{"revoke-all", "word=everybody", "Log out everybody", "1 session ended."},
	} {
		path := "/admin/confirm/" + step.action
		if w := f.get(path + "?" + step.form); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), step.title) {
			t.Errorf("%s: %d\n%s", step.action, w.Code, w.Body)
		}
		if step.action == "revoke" && f.gone(one) {
			t.Fatal("the question has ended the session")
		}
		if w := f.form(path, step.form); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), step.done) {
			t.Errorf("%s: %d\n%s", step.action, w.Code, w.Body)
		}
	}
	if !f.gone(one) || !f.gone(two) || !f.gone(three) || !f.gone(bob) {
		t.Error("a session is left")
	}
}

func TestPagesLogOutEverybodyOnlyAfterTheWord(t *testing.T) {
	f := setUp(t)
	s, _ := f.login("ann")
	for _, form := range []string{"", "word=", "word=nobody", "word=Everybody"} {
		if w := f.form("/admin/confirm/revoke-all", form); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `role="alert"`) {
			t.Errorf("%q: %d\n%s", form, w.Code, w.Body)
		}
	}
	if f.gone(s) {
		t.Error("the session has ended")
	}
}

func TestPagesRefuseFormsWithoutATarget(t *testing.T) {
	f := setUp(t)
	for action, form := range map[string]string{
		"revoke": "", "revoke-user": "except=x", "revoke ": "id=x", "sync": "id=x", "nothing": "",
	} {
		want := http.StatusBadRequest
		if action == "nothing" || action == "revoke " {
			want = http.StatusNotFound
		}
		if w := f.form("/admin/confirm/"+url.PathEscape(action), form); w.Code != want {
			t.Errorf("%s %s: %d, want %d", action, form, w.Code, want)
		}
	}
	if w := f.form("/admin/confirm/revoke-user", "user="+strings.Repeat("x", 60<<10)); w.Code != http.StatusBadRequest {
		t.Errorf("a long user: %d", w.Code)
	}
	if w := f.form("/admin/confirm/revoke-user", "user="+strings.Repeat("x", 1<<20)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a user of 1 MB: %d", w.Code)
	}
}

// TestConfirmationNamesTheOwnerThatTheStoreKnows: a forged link cannot show another user.
func TestConfirmationNamesTheOwnerThatTheStoreKnows(t *testing.T) {
	f := setUp(t)
	s, _ := f.login("ann")
	body := f.get("/admin/confirm/revoke?user=somebody+else&id=" + s.ID().String()).Body.String()
	if strings.Contains(body, "somebody else") || !strings.Contains(body, "ann") {
		t.Error(body)
	}
}

// TestPagesLoadNothingFromOtherHosts: the pages, the style and our script name no other host, and
// contain nothing that the content policy refuses.
func TestPagesLoadNothingFromOtherHosts(t *testing.T) {
	f := setUp(t)
	s, _ := f.login("ann")
	elsewhere := regexp.MustCompile(`(?i)(src|href|action)="?(https?:)?//|url\(|@import|<script>|<style|\sstyle="|\son[a-z]+="`)
	bodies := map[string]string{}
	for _, path := range []string{"/admin/", "/admin/sessions", "/admin/sessions/" + s.ID().String(), "/admin/confirm/sync", "/admin/nowhere"} {
		bodies[path] = f.get(path).Body.String()
	}
	for _, name := range []string{"static/admin.css", "static/uPlot.min.css"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		bodies[name] = string(raw)
	}
	for name, body := range bodies {
		if at := elsewhere.FindString(body); at != "" || body == "" {
			t.Errorf("%s has %q", name, at)
		}
	}
}

// TestStaticFilesAreServedWithTheirType: and their URL has a hash, so that they are cached.
func TestStaticFilesAreServedWithTheirType(t *testing.T) {
	f := setUp(t)
	page := f.get("/admin/").Body.String()
	urls := regexp.MustCompile(`(?:href|src)="(/admin/static/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(urls) < 5 {
		t.Fatalf("only %d static files: %v", len(urls), urls)
	}
	for _, u := range urls {
		w := f.get(u[1])
		kind := w.Header().Get("Content-Type")
		if w.Code != http.StatusOK || !regexp.MustCompile(`^(text/css|text/javascript|image/svg)`).MatchString(kind) || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %s, %s", u[1], w.Code, kind, w.Header().Get("Cache-Control"))
		}
	}
	for _, name := range []string{"nothing.js", "..%2fpages.go", "%2e%2e", ".", "uPlot.min.js/"} {
		if w := f.get("/admin/static/" + name); w.Code == http.StatusOK {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestLicenceOfUPlotIsBesideIt(t *testing.T) {
	raw, err := fs.ReadFile(os.DirFS("static"), "uPlot.LICENSE.txt")
	if err != nil || !strings.HasPrefix(string(raw), "The MIT License (MIT)") {
		t.Errorf("%.40q, %v", raw, err)
	}
}
