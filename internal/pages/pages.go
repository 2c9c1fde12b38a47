// Package pages renders web pages: templates that share a layout, and static files that browsers may
// keep for ever. It owns no state beyond what it has parsed. It knows no session and no route.
package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Pages are parsed templates and static files. They are immutable and safe for concurrent use.
type Pages struct {
	byName map[string]*template.Template
	assets map[string]string // name to URL with a content hash
	static fs.FS
}

// New parses each file templates/NAME.html together with templates/layout.html, which defines the
// template "layout". The files in static are served below prefix/static/. In addition to funcs, the
// templates have the function asset, which returns the URL of a static file.
func New(files fs.FS, prefix string, funcs template.FuncMap) (*Pages, error) {
	p := &Pages{byName: make(map[string]*template.Template)}
	if err := p.loadAssets(files, prefix); err != nil {
		return nil, err
	}
	asset := template.FuncMap{"asset": func(name string) string { return p.assets[name] }}
	layout, err := template.New("").Funcs(asset).Funcs(funcs).ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the layout: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("listing the pages: %w", err)
	}
	for _, name := range names {
		page, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("copying the layout: %w", err)
		}
		if _, err := page.ParseFS(files, name); err != nil {
			return nil, fmt.Errorf("parsing %s: %w", name, err)
		}
		p.byName[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return p, nil
}

// loadAssets puts a content hash into the URL of each static file.
func (p *Pages) loadAssets(files fs.FS, prefix string) error {
	var err error
	if p.static, err = fs.Sub(files, "static"); err != nil {
		return fmt.Errorf("opening the static files: %w", err)
	}
	entries, err := fs.ReadDir(p.static, ".")
	if err != nil {
		return fmt.Errorf("listing the static files: %w", err)
	}
	p.assets = make(map[string]string)
	for _, entry := range entries {
		raw, err := fs.ReadFile(p.static, entry.Name())
		if err != nil {
			return fmt.Errorf("reading the static files: %w", err)
		}
		sum := sha256.Sum256(raw)
		p.assets[entry.Name()] = prefix + "/static/" + entry.Name() + "?v=" + hex.EncodeToString(sum[:6])
	}
	return nil
}

// ServeStatic serves the static file that the path value "name" names. A URL with a content hash may
// be cached for ever.
func (p *Pages) ServeStatic(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("v") {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, p.static, r.PathValue("name")) //nolint:gosec // G703: the files are embedded
}

// Render renders a page completely before it writes the first byte. So a fault of a template can still
// become a 500, and a session can still be committed.
func (p *Pages) Render(w http.ResponseWriter, status int, name string, body any) error {
	var page bytes.Buffer
	if err := p.byName[name].ExecuteTemplate(&page, "layout", body); err != nil {
		return fmt.Errorf("rendering the page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := page.WriteTo(w); err != nil {
		return fmt.Errorf("sending the page %s: %w", name, err)
	}
	return nil
}
