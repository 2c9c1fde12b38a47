package demo

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"go.uber.org/zap"

	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

// trouble returns every character that controls a terminal, or hides or reorders text.
func trouble() (all []rune) {
	for r := rune(0); r <= 0x9f; r++ { // C0, DEL, C1
		if unicode.IsControl(r) {
			all = append(all, r)
		}
	}
	all = append(all, 0x061c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x2060, 0xfeff, 0xfff9, 0xe0001, 0xe0041)
	for r := rune(0x202a); r <= 0x202e; r++ { // embeddings and overrides
		all = append(all, r)
	}
	for r := rune(0x2066); r <= 0x2069; r++ { // isolates
		all = append(all, r)
	}
	return all
}

// raw returns the characters of trouble in a log, except its own line ends and separators.
func raw(log string) (found []rune) {
	for _, r := range trouble() {
		if r != '\n' && r != '\t' && strings.ContainsRune(log, r) {
			found = append(found, r)
		}
	}
	return found
}

func TestLogShowsControlCharacters(t *testing.T) { // CWE-117, CWE-150
	for _, r := range append(trouble(), 0xfffd) {
		bad := "a" + string(r) + "b"
		var out strings.Builder
		log, err := newLogger("debug", &out)
		if err != nil {
			t.Fatal(err)
		}
		log.Named(bad).With(zap.String("with", bad)).Warn(bad, zap.String("s", bad), zap.String(bad, "key"), zap.Error(errors.New(bad)),
			zap.Strings("list", []string{bad}), zap.ByteString("bytes", []byte(bad)), zap.Any("any", map[string]string{bad: bad}))
		if found := raw(out.String()); len(found) > 0 {
			t.Errorf("%U: %U is raw in %q", r, found, out.String())
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1 {
			t.Errorf("%U: %d lines", r, lines)
		}
		_, fields, _ := strings.Cut(out.String(), "{")
		var decoded map[string]any
		if err := json.Unmarshal([]byte("{"+fields), &decoded); err != nil || decoded["s"] != bad {
			t.Errorf("%U: the fields are no JSON any more: %v, %q", r, err, fields)
		}
	}
}

func TestLogEscapesWhatAClientSends(t *testing.T) {
	var out strings.Builder
	log, err := newLogger("debug", &out)
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Defaults()
	s.Store.Path = filepath.Join(t.TempDir(), "demo.db")
	app, err := Open(t.Context(), s, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range trouble() {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", nil)
		q.URL.Path = "/a" + string(r)
		q.Header.Set("Sec-Fetch-Site", "cross-site")
		q.Header.Set("Origin", "https://evil"+string(r)+".example")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, q)
		if w.Code != http.StatusForbidden {
			t.Errorf("%U: %d", r, w.Code)
		}
	}
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "cross-origin request refused"); n != len(trouble()) {
		t.Errorf("%d requests were logged", n)
	}
	if found := raw(out.String()); len(found) > 0 {
		t.Errorf("%U is raw", found)
	}
}

func TestLogKeepsReadableText(t *testing.T) {
	for _, s := range []string{"", "plain", "é – 漢字 עברית 😀", `C:\dir "x"`} {
		if got := escape(s, ""); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	if got := escape("a\xffb\u009b", ""); got != `a`+"\ufffd"+`b\u009b` {
		t.Errorf("%q", got)
	}
}
