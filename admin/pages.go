package admin

import (
	"embed"
	"html/template"
	"time"

	"github.com/sessile/sessile/internal/pages"
)

// files are the pages and their static files.
//
//go:embed templates static
var files embed.FS

// view is the input of every page.
type view struct {
	Title string
	Here  string // the entry of the navigation that is the current page
	Note  string // what the last change did
	Body  any
}

// newPages parses the pages.
func newPages(prefix string, now func() time.Time) (*pages.Pages, error) {
	return pages.New(files, prefix, template.FuncMap{
		"prefix":  func() string { return prefix },
		"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":     func(t time.Time) string { return ago(now().Sub(t)) },
		"until":   func(t time.Time) string { return until(t.Sub(now())) },
		"visible": visible,
	})
}
