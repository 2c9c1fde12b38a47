package middleware_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	updated = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

// as is the browser with another User-Agent.
func (b *browser) as(agent, language string) *browser {
	b.header = http.Header{"User-Agent": {agent}, "Accept-Language": {language}}
	return b
}

func TestFingerprintMismatchDoesWhatTheModeSays(t *testing.T) { // S41
	for mode, want := range map[middleware.FingerprintMode]struct{ there, back string }{
		middleware.FingerprintOff:     {"alice", "alice"},
		middleware.FingerprintObserve: {"alice", "alice"},
		middleware.FingerprintReject:  {"", "alice"},
		middleware.FingerprintDestroy: {"", ""},
		"":                            {"alice", "alice"}, // observe
	} {
		f := setUp(t, sessile.Config{}, middleware.Options{Fingerprint: mode})
		b := f.browser().as(firefox, "en")
		b.login("alice")
		stolen := b.twin().as(safari, "en")
		f.want(stolen.user(), want.there)
		f.want(b.twin().as(firefox, "en").user(), want.back)
		told := 1
		if mode == middleware.FingerprintOff {
			told = 0
		}
		f.want(f.count(sessile.EventFingerprintMismatch), told)
	}
}

func TestFingerprintSurvivesABrowserUpdate(t *testing.T) { // the session stays
	f := setUp(t, sessile.Config{}, middleware.Options{Fingerprint: middleware.FingerprintDestroy})
	b := f.browser().as(firefox, "en-GB,en;q=0.8")
	b.login("alice")
	f.want(b.as(updated, "en-GB,en;q=0.9").user(), "alice")
	f.want(f.count(sessile.EventFingerprintMismatch), 0)
	f.want(b.as(updated, "fr").user(), "")
	f.want(f.count(sessile.EventFingerprintMismatch), 1)
}

func TestFingerprintMismatchIsReportedOnceAMinute(t *testing.T) { // S41: a stream of events is none
	bubble(t, func(t *testing.T) {
		f := setUp(t, sessile.Config{}, middleware.Options{})
		b := f.browser().as(firefox, "en")
		b.login("alice")
		b.as(safari, "en")
		for range 10 {
			f.want(b.user(), "alice")
		}
		f.want(f.count(sessile.EventFingerprintMismatch), 1)
		wait(3 * time.Minute)
		f.want(b.user(), "alice")
		f.want(f.count(sessile.EventFingerprintMismatch), 2)
	})
}

func TestFingerprintMismatchIsLoggedToAnyLogger(t *testing.T) {
	var lines bytes.Buffer
	f := setUp(t, sessile.Config{Slog: slog.New(slog.NewTextHandler(&lines, nil))}, middleware.Options{})
	b := f.browser().as(firefox, "en")
	b.login("alice")
	f.want(b.as(safari, "en").user(), "alice")
	f.must(f.store.Close()) // nothing logs any more
	if !strings.Contains(lines.String(), "session used by another kind of browser") {
		t.Errorf("log: %s", lines.String())
	}
}
