package settings

import (
	"errors"
	"strings"
	"testing"
)

const (
	secret   = "correct-horse-battery-staple"
	database = "postgres://sessile:" + secret + "@db.example/shop"
)

func TestDatabaseComesFromEverySource(t *testing.T) {
	for source, load := range map[string]func() (Settings, []string, error){
		"file": func() (Settings, []string, error) { return load(t, "database: "+database+"\nnode: a\n", nil) },
		"environment": func() (Settings, []string, error) {
			return load(t, "", []string{"SESSILE_DATABASE=" + database, "SESSILE_NODE=a"})
		},
		"flag": func() (Settings, []string, error) { return load(t, "", nil, "--database", database, "--node", "a") },
	} {
		s, warnings, err := load()
		if err != nil || len(warnings) > 0 || s.Postgres().URL != database || s.Node != "a" {
			t.Errorf("%s: node %q, %v, %v", source, s.Node, warnings, err)
		}
	}
}

func TestDatabaseFaultsAreReportedWithoutThePassword(t *testing.T) {
	for fault, args := range map[string][]string{
		"URL: it cannot":              {"-database", "postgres://sessile:" + secret + "@db.example:port/shop"},
		"FeedURL: it cannot":          {"-database", database, "-database_feed", "postgres://sessile:" + secret + "@[db/shop"},
		"database_feed: it needs dat": {"-database_feed", database},
		"node: \"a\\nb\" is invalid":  {"-database", database, "-node", "a\nb"},
	} {
		_, _, err := load(t, "", nil, args...)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q is not reported, or the password is shown:\n%v", fault, err)
		}
	}
	_, _, err := load(t, "database: ["+database+"]\n", nil)
	if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), secret) {
		t.Errorf("a list: %v", err)
	}
}
