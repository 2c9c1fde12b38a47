package admin

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

// The pages and their static files.
var (
	//go:embed templates
	templateFiles embed.FS
	//go:embed static
	staticFiles embed.FS
)

// view is the input of every page.
type view struct {
	Title string
	Here  string // the entry of the navigation that is the current page
	Note  string // what the last change did
	Body  any
}

// pages renders the templates. It is immutable and safe for concurrent use.
type pages struct {
	byName map[string]*template.Template
	assets map[string]string // name to URL with a content hash
	files  fs.FS
}

// newPages parses every page together with the layout.
func newPages(prefix string, now func() time.Time) (*pages, error) {
	p := &pages{byName: make(map[string]*template.Template)}
	if err := p.loadAssets(prefix); err != nil {
		return nil, err
	}
	layout, err := template.New("").Funcs(p.funcs(prefix, now)).ParseFS(templateFiles, "templates/layout.html")
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
func (p *pages) loadAssets(prefix string) error {
	var err error
	if p.files, err = fs.Sub(staticFiles, "static"); err != nil {
		return fmt.Errorf("opening the static files: %w", err)
	}
	entries, err := fs.ReadDir(p.files, ".")
	if err != nil {
		return fmt.Errorf("listing the static files: %w", err)
	}
	p.assets = make(map[string]string)
	for _, entry := range entries {
		raw, err := fs.ReadFile(p.files, entry.Name())
		if err != nil {
			return fmt.Errorf("reading the static files: %w", err)
		}
		sum := sha256.Sum256(raw)
		p.assets[entry.Name()] = prefix + "/static/" + entry.Name() + "?v=" + hex.EncodeToString(sum[:6])
	}
	return nil
}

func (p *pages) serveStatic(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("v") {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, p.files, r.PathValue("name")) //nolint:gosec // G703: the files are embedded
}

func (p *pages) funcs(prefix string, now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"prefix":  func() string { return prefix },
		"asset":   func(name string) string { return p.assets[name] },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":     func(t time.Time) string { return ago(now().Sub(t)) },
		"until":   func(t time.Time) string { return until(t.Sub(now())) },
		"visible": visible,
	}
}

// render renders a page completely before it writes the first byte, so that a fault of a template
// can still become a 500.
func (p *pages) render(w http.ResponseWriter, status int, name string, v view) error {
	var page bytes.Buffer
	if err := p.byName[name].ExecuteTemplate(&page, "layout", v); err != nil {
		return fmt.Errorf("rendering the page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := page.WriteTo(w); err != nil {
		return fmt.Errorf("sending the page %s: %w", name, err)
	}
	return nil
}
