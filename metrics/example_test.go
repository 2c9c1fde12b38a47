package metrics_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// An exporter for a monitoring system that takes lines of text.
func ExampleList() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	reading := metrics.Read(store)
	for _, m := range metrics.List() {
		for _, s := range m.Series {
			if strings.HasPrefix(m.Name, "sessions.") {
				fmt.Println(m.OTelName("sessile"), s.Label, s.Value(reading))
			}
		}
	}
	// Output:
	// sessile.sessions.created  0
	// sessile.sessions.ended destroyed 0
	// sessile.sessions.ended evicted 0
	// sessile.sessions.ended expired 0
}

// The names of a metric in two monitoring systems.
func ExampleMetric() {
	m := metrics.Metric{Name: "pending.age", Unit: "s", Kind: metrics.Gauge}
	fmt.Println(m.PrometheusName("sessile"))
	fmt.Println(m.OTelName("sessile"))
	// Output:
	// sessile_pending_age_seconds
	// sessile.pending.age
}
