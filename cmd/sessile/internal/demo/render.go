package demo

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/sessile/sessile/internal/pages"
)

// files are the pages and their static files, embedded so that the command is one file.
//
//go:embed templates static
var files embed.FS

// contentPolicy allows only content from this server: no inline scripts or styles, no frames, no
// plug-ins, no forms that post elsewhere.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// renderer renders the pages.
type renderer struct{ *pages.Pages }

// newPages parses the pages. They show the name of the node, unless it is "".
func newPages(now func() time.Time, node string) (renderer, error) {
	p, err := pages.New(files, "", template.FuncMap{
		"node":    func() string { return node },
		"initial": func(s string) string { return string([]rune(s)[:1]) },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"left":    func(t time.Time) int64 { return t.Sub(now()).Milliseconds() },
		"until":   func(t time.Time) string { return span(t.Sub(now())) },
		"ago":     func(t time.Time) string { return ago(now().Sub(t)) },
	})
	return renderer{p}, err
}

// Render renders a page that no cache keeps: after a logout, the back button must not show private
// pages.
func (r renderer) Render(w http.ResponseWriter, status int, name string, v view) error {
	w.Header().Set("Cache-Control", "no-store")
	return r.Pages.Render(w, status, name, v)
}

// guarded sets the security headers of every response, and the name of the node.
func guarded(node string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if node != "" {
			h.Set("Sessile-Node", node)
		}
		next.ServeHTTP(w, r)
	})
}

// span formats a remaining duration, in the same way as static/app.js.
func span(d time.Duration) string {
	s := int64(d / time.Second)
	switch m, h, days := s/60, s/3600, s/86400; {
	case s <= 0:
		return "over"
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, h%24)
	case h > 0:
		return fmt.Sprintf("%d:%02d:%02d", h, m%60, s%60)
	default:
		return fmt.Sprintf("%d:%02d", m, s%60)
	}
}

// ago formats how long ago something was.
func ago(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return rough(d) + " ago"
}

// rough formats a duration in its largest unit: "3 minutes", "1 day".
func rough(d time.Duration) string {
	unit := func(n int64, name string) string {
		if n != 1 {
			name += "s"
		}
		return fmt.Sprintf("%d %s", n, name)
	}
	switch {
	case d < time.Minute:
		return unit(int64(d/time.Second), "second")
	case d < time.Hour:
		return unit(int64(d/time.Minute), "minute")
	case d < 24*time.Hour:
		return unit(int64(d/time.Hour), "hour")
	default:
		return unit(int64(d/(24*time.Hour)), "day")
	}
}
