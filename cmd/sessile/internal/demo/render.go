package demo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// The pages and their static files, embedded so that the command is one file.
var (
	//go:embed templates
	templateFiles embed.FS
	//go:embed static
	staticFiles embed.FS
)

// contentPolicy allows only content from this server: no inline scripts or styles, no frames, no
// plug-ins, no forms that post elsewhere.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pages renders the templates. It is immutable and safe for concurrent use.
type pages struct {
	byName map[string]*template.Template
	assets map[string]string // name to URL with a content hash
	static http.Handler
}

// newPages parses every page together with the layout. The pages show the name of the node, unless it is "".
func newPages(now func() time.Time, node string) (*pages, error) {
	p := &pages{byName: make(map[string]*template.Template)}
	if err := p.loadAssets(); err != nil {
		return nil, err
	}
	layout, err := template.New("").Funcs(p.funcs(now, node)).ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the layout: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("listing the pages: %w", err)
	}
	for _, file := range files {
		page, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("copying the layout: %w", err)
		}
		if _, err := page.ParseFS(templateFiles, file); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
		p.byName[strings.TrimSuffix(path.Base(file), ".html")] = page
	}
	return p, nil
}

// loadAssets puts a content hash into the URL of each static file, so that it can be cached for ever.
func (p *pages) loadAssets() error {
	files, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return fmt.Errorf("opening the static files: %w", err)
	}
	p.assets = make(map[string]string)
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(files, name)
		sum := sha256.Sum256(raw)
		p.assets[name] = "/static/" + name + "?v=" + hex.EncodeToString(sum[:6])
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the static files: %w", err)
	}
	p.static = http.StripPrefix("/static/", http.FileServerFS(files))
	return nil
}

func (p *pages) serveStatic(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("v") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	p.static.ServeHTTP(w, r)
}

func (p *pages) funcs(now func() time.Time, node string) template.FuncMap {
	return template.FuncMap{
		"node":    func() string { return node },
		"asset":   func(name string) string { return p.assets[name] },
		"initial": func(s string) string { return string([]rune(s)[:1]) },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"left":    func(t time.Time) int64 { return t.Sub(now()).Milliseconds() },
		"until":   func(t time.Time) string { return span(t.Sub(now())) },
		"ago":     func(t time.Time) string { return ago(now().Sub(t)) },
	}
}

// render renders a page completely before it writes the first byte. A template error can then still
// become a 500, and the session can still be committed.
func (p *pages) render(w http.ResponseWriter, status int, name string, v view) error {
	var page bytes.Buffer
	if err := p.byName[name].ExecuteTemplate(&page, "layout", v); err != nil {
		return fmt.Errorf("rendering the page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // after a logout, the back button must not show private pages
	w.WriteHeader(status)
	_, err := page.WriteTo(w)
	if err != nil {
		return fmt.Errorf("sending the page %s: %w", name, err)
	}
	return nil
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
