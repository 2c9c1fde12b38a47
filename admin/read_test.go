package admin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/metrics"
)

func TestStatsHaveEveryMetricAndHealth(t *testing.T) {
	f := setUp(t)
	f.login("ann")
	got := want[struct {
		Metrics map[string]json.RawMessage
		Health  struct{ State string }
		Stored  int
	}](t, f.get("/admin/api/stats"), http.StatusOK)
	for _, m := range metrics.List() {
		if got.Metrics[m.Name] == nil {
			t.Errorf("%s is missing", m.Name)
		}
	}
	if string(got.Metrics["sessions.created"]) != "1" || got.Health.State != "ok" || got.Stored != 1 {
		t.Errorf("%s sessions created, %d stored, health %q", got.Metrics["sessions.created"], got.Stored, got.Health.State)
	}
	var commits struct {
		Count   int
		P99     float64
		Buckets [][2]float64
	}
	if err := json.Unmarshal(got.Metrics["commit.duration"], &commits); err != nil || commits.Count == 0 || commits.P99 <= 0 || len(commits.Buckets) == 0 {
		t.Errorf("commit times: %+v, %v", commits, err)
	}
}

func TestHealthIs503WhenTheStoreHasFailed(t *testing.T) {
	f := setUp(t)
	type health struct{ State, Reason string }
	if got := want[health](t, f.get("/admin/api/health"), http.StatusOK); got != (health{"ok", ""}) {
		t.Errorf("%+v", got)
	}
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := want[health](t, f.get("/admin/api/health"), http.StatusServiceUnavailable); got != (health{"failed", "closed"}) {
		t.Errorf("after Close: %+v", got)
	}
}

func TestSessionShowsOnlyDataThatIsNamed(t *testing.T) {
	f := setUp(t, func(o *admin.Options) { o.ShowData = []string{"cart", "missing"} })
	s, _ := f.login("ann")
	got := want[struct {
		Session struct {
			ID string `json:"id"`
		}
		Active bool
		Data   map[string]string
	}](t, f.get("/admin/api/sessions/"+s.ID().String()), http.StatusOK)
	if got.Session.ID != s.ID().String() || !got.Active || len(got.Data) != 1 || got.Data["cart"] != "two corals" {
		t.Errorf("%+v", got)
	}
	page := f.get("/admin/sessions/" + s.ID().String()).Body.String()
	if !strings.Contains(page, "two corals") || strings.Contains(page, "4111") {
		t.Errorf("the page:\n%s", page)
	}
}

// TestNothingShowsTokensFingerprintsOrData: no answer to any GET contains them, by default.
func TestNothingShowsTokensFingerprintsOrData(t *testing.T) {
	f := setUp(t)
	s, token := f.login("ann")
	id := s.ID().String()
	for _, path := range []string{
		"/admin/api/stats", "/admin/api/health", "/admin/api/sessions", "/admin/api/sessions/" + id,
		"/admin/", "/admin/sessions", "/admin/sessions/" + id, "/admin/confirm/revoke?id=" + id,
	} {
		w := f.get(path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
		for _, secret := range []string{token.Reveal(), s.Fingerprint(), "two corals", "4111", "ingerprint"} {
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s contains %q:\n%s", path, secret, w.Body)
			}
		}
	}
	if s.Fingerprint() == "" {
		t.Error("the session has no fingerprint to look for")
	}
}

func TestSessionRefusesUnknownAndMalformedIDs(t *testing.T) {
	f := setUp(t)
	s, token := f.login("ann")
	if err := f.store.Destroy(t.Context(), s.ID()); err != nil {
		t.Fatal(err)
	}
	for id, status := range map[string]int{
		s.ID().String(): http.StatusNotFound, sessile.ID{1}.String(): http.StatusNotFound, sessile.ID{}.String(): http.StatusNotFound,
		"x": http.StatusBadRequest, token.Reveal(): http.StatusBadRequest, strings.Repeat("0", 1<<20): http.StatusBadRequest,
		url.PathEscape("../../etc/passwd"): http.StatusBadRequest, "%00": http.StatusBadRequest, "%ff": http.StatusBadRequest,
	} {
		for _, path := range []string{"/admin/api/sessions/", "/admin/sessions/"} {
			w := f.get(path + id)
			if w.Code != status {
				t.Errorf("%s%.40s: %d, want %d", path, id, w.Code, status)
			}
			if w.Body.Len() > 4096 {
				t.Errorf("%s%.40s: the answer has %d bytes", path, id, w.Body.Len())
			}
		}
	}
}

// hostile is text that would act in a page, in a terminal or in a list.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; DROP TABLE sessions; --`, "\x1b[2J\x1b]0;pwned\x07", "a\u009b31mb",
	"\u202eevil\u2066", "del\x7f", "\u2028line", "{{.}}", "javascript:alert(1)", "a/b?c#d", "..", "%2e%2e", "ann\r\nSet-Cookie: x=y",
}

// TestHostileTextsStayText: user IDs and user agents of clients do not act where they are shown.
func TestHostileTextsStayText(t *testing.T) {
	f := setUp(t)
	for _, text := range hostile {
		s, _ := f.loginFrom(text, "192.0.2.1", text)
		id := s.ID().String()
		for _, path := range []string{
			"/admin/api/sessions", "/admin/api/sessions/" + id, "/admin/", "/admin/sessions", "/admin/sessions/" + id,
			"/admin/sessions?user=" + url.QueryEscape(text), "/admin/confirm/revoke?id=" + id, "/admin/confirm/revoke-user?user=" + url.QueryEscape(text),
		} {
			w := f.get(path)
			body := w.Body.String()
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", path, w.Code, body)
			}
			if strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, `href="javascript:`) {
				t.Errorf("%s has markup of a client:\n%s", path, body)
			}
			hidden := func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }
			// An attribute keeps the exact text, because the server reads it back.
			if strings.Contains(path, "/api/") && strings.ContainsFunc(body, hidden) {
				t.Errorf("%s has characters that control a terminal: %q", path, body)
			}
		}
		got := want[struct {
			Session struct {
				UserID string `json:"user_id"`
			}
		}](t, f.get("/admin/api/sessions/"+id), http.StatusOK)
		if got.Session.UserID != text {
			t.Errorf("%q is read as %q", text, got.Session.UserID)
		}
	}
}
