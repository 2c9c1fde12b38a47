package admin_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile/admin"
)

// routes are requests to every route.
func routes(id string) []string {
	return []string{
		"GET /admin/api/stats", "GET /admin/api/health", "GET /admin/api/sessions", "GET /admin/api/sessions/" + id, "GET /admin/api/events",
		"POST /admin/api/sessions/" + id + "/revoke", "POST /admin/api/users/ann/revoke", "POST /admin/api/revoke-all",
		"POST /admin/api/cleanup", "POST /admin/api/sync", "POST /admin/api/backup",
		"GET /admin/", "GET /admin/live", "GET /admin/sessions", "GET /admin/sessions/" + id, "GET /admin/static/admin.css",
		"GET /admin/confirm/revoke?id=" + id, "POST /admin/confirm/revoke?id=" + id, "GET /admin/nowhere", "GET /elsewhere",
	}
}

func TestHandlerWithoutAuthorizeRefusesEverything(t *testing.T) {
	f := setUp(t, func(o *admin.Options) { o.Authorize = nil })
	s, _ := f.login("ann")
	for _, route := range routes(s.ID().String()) {
		method, path, _ := strings.Cut(route, " ")
		w := f.send(method, path, "{}", "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin")
		if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "ann") {
			t.Errorf("%s: %d %s", route, w.Code, w.Body)
		}
	}
	if f.gone(s) {
		t.Error("the session has ended")
	}
}

func TestHandlerLogsChangesAndRefusalsShortly(t *testing.T) {
	var log bytes.Buffer
	f := setUp(t, func(o *admin.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Authorize = func(r *http.Request) error {
			if r.Header.Get("Sessile-Admin") == "" {
				return errors.New("no administrator")
			}
			return nil
		}
	})
	s, token := f.login("ann")
	f.get("/admin/" + strings.Repeat("x", 1<<20))
	if line := log.String(); !strings.Contains(line, "no administrator") || len(line) > 1000 {
		t.Errorf("the refusal has %d bytes: %.1000s", len(line), line)
	}
	log.Reset()
	f.send(http.MethodPost, "/admin/api/sessions/"+s.ID().String()+"/revoke", "", "Sessile-Admin", "1")
	f.send(http.MethodPost, "/admin/api/users/"+strings.Repeat("x", 1<<20)+"/revoke", "", "Sessile-Admin", "1")
	line := log.String()
	if !strings.Contains(line, "action=revoke session="+s.ID().String()+" count=1") || len(line) > 1000 || strings.Contains(line, token.Reveal()) {
		t.Errorf("the changes have %d bytes: %.1000s", len(line), line)
	}
}

func TestHandlerRefusesWhomAuthorizeRefusesAndKeepsTheReason(t *testing.T) {
	f := setUp(t, func(o *admin.Options) {
		o.Authorize = func(r *http.Request) error {
			if r.Header.Get("X-User") == "root" {
				return nil
			}
			return errors.New("secret reason")
		}
	})
	for _, path := range []string{"/admin/api/stats", "/admin/"} {
		if w := f.get(path); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "secret reason") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := f.send(http.MethodGet, path, "", "X-User", "root"); w.Code != http.StatusOK {
			t.Errorf("%s for an administrator: %d", path, w.Code)
		}
	}
}

func TestHandlerSetsSecurityHeadersOnEveryResponse(t *testing.T) {
	f := setUp(t)
	for _, path := range []string{"/admin/", "/admin/sessions", "/admin/api/stats", "/admin/api/sessions/x", "/admin/nowhere", "/admin/static/admin.js"} {
		h := f.get(path).Header()
		for name, part := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if !strings.Contains(h.Get(name), part) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if p := h.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: the policy is %q", path, p)
		}
	}
}

func TestHandlerRefusesChangesOfOtherOrigins(t *testing.T) {
	f := setUp(t)
	s, _ := f.login("ann")
	for _, path := range []string{"/admin/api/sessions/" + s.ID().String() + "/revoke", "/admin/confirm/revoke"} {
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			kind := "application/json"
			if !strings.Contains(path, "api") {
				kind = "application/x-www-form-urlencoded"
			}
			w := f.send(http.MethodPost, path, "id="+s.ID().String(), append(header, "Content-Type", kind)...)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s with %v: %d", path, header, w.Code)
			}
		}
	}
	if f.gone(s) {
		t.Error("the session has ended")
	}
}

func TestHandlerRefusesChangesThatAnyFormCouldSend(t *testing.T) {
	f := setUp(t)
	s, _ := f.login("ann")
	path := "/admin/api/sessions/" + s.ID().String() + "/revoke"
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
		if w := f.send(http.MethodPost, path, "", "Content-Type", kind); w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", kind, w.Code)
		}
	}
	if f.gone(s) {
		t.Fatal("the session has ended")
	}
	if w := f.send(http.MethodPost, path, "", "Sessile-Admin", "1"); w.Code != http.StatusOK {
		t.Errorf("with the header Sessile-Admin: %d", w.Code)
	}
	if w := f.send(http.MethodPost, "/admin/confirm/revoke", "id="+s.ID().String(), "Content-Type", "application/x-www-form-urlencoded"); w.Code != http.StatusForbidden {
		t.Errorf("a form without an origin: %d", w.Code)
	}
}

func TestHandlerReadOnlyRefusesEveryChangeAndShowsNoButton(t *testing.T) {
	f := setUp(t, func(o *admin.Options) { o.ReadOnly, o.BackupDir = true, t.TempDir() })
	s, _ := f.login("ann")
	for _, route := range routes(s.ID().String()) {
		method, path, _ := strings.Cut(route, " ")
		if method != http.MethodPost && !strings.Contains(path, "/confirm/") {
			continue
		}
		w := f.send(method, path, "", "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin")
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", route, w.Code, w.Body)
		}
	}
	if f.gone(s) {
		t.Error("the session has ended")
	}
	for _, path := range []string{"/admin/", "/admin/sessions", "/admin/sessions/" + s.ID().String()} {
		if w := f.get(path); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "/confirm/") {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
	}
}

func TestHandlerReportsEveryFaultOfItsOptions(t *testing.T) {
	for _, prefix := range []string{"admin", "/admin/", "/", "/a b", "/{id}", "/a//b", "/..", `/"><script>`} {
		_, err := admin.Handler(nil, admin.Options{Prefix: prefix, BackupDir: "/nowhere/at/all", ShowData: []string{""}})
		if err == nil {
			t.Errorf("%q: no error", prefix)
			continue
		}
		for _, part := range []string{"prefix", "backup directory", "ShowData", "no store"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %v does not name %s", prefix, err, part)
			}
		}
	}
}

func TestHandlerAtTheRootAndDeepPrefixesServesItsLinks(t *testing.T) {
	for _, prefix := range []string{"", "/ops/sessions-1/~x"} {
		f := setUp(t, func(o *admin.Options) { o.Prefix = prefix })
		w := f.get(prefix + "/")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `href="`+prefix+`/sessions"`) {
			t.Errorf("%q: %d\n%s", prefix, w.Code, w.Body)
		}
		if prefix != "" {
			if w := f.get(prefix); w.Code/100 != 3 || w.Header().Get("Location") != prefix+"/" {
				t.Errorf("%q: %d to %s", prefix, w.Code, w.Header().Get("Location"))
			}
		}
	}
}
