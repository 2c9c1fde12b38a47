// Package metrics lists what a store measures: names, units, and how to read each value. The modules
// metrics/prometheus and metrics/otel export the list. An application with another monitoring system
// exports [List] itself. The package imports no monitoring system. It only knows the rules for names
// of two.
package metrics

import (
	"strings"

	"github.com/sessile/sessile"
)

// Kind says how values develop.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // only grows while the store is open
	Gauge     Kind = "gauge"     // goes up and down
	Histogram Kind = "histogram" // a distribution, whose counts only grow
)

// Metric is one thing that a store measures.
type Metric struct {
	Name   string // without namespace and unit: words with dots between them
	Help   string // a sentence
	Kind   Kind
	Unit   string   // in UCUM, as OpenTelemetry has it: "s", "By", "{session}"
	Label  string   // what tells its series apart; empty if there is one series
	Series []Series // of a counter or a gauge
	// Distribution reads the value of a histogram. It is nil for other kinds.
	Distribution func(*Reading) sessile.Histogram
}

// Series is one value of a metric.
type Series struct {
	Label string // value of Metric.Label
	Value func(*Reading) float64
}

// Reading is what the values are read from.
type Reading struct {
	Stats  sessile.Stats
	Health sessile.Health
}

// Read reads a store. It asks for the size of two files, and does no other I/O.
func Read(s *sessile.Store) *Reading { return &Reading{Stats: s.Stats(), Health: s.Health()} }

// List returns every metric.
func List() []Metric {
	var all []Metric
	for _, part := range [][]Metric{reads(), sessions(), writes(), bounds(), memory(), health()} {
		all = append(all, part...)
	}
	return all
}

// PrometheusName is the full name by the conventions of Prometheus. An OpenTelemetry exporter
// for Prometheus makes the same one of OTelName.
func (m Metric) PrometheusName(namespace string) string {
	name := strings.ReplaceAll(m.OTelName(namespace), ".", "_")
	switch m.Unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	if m.Kind == Counter {
		name += "_total"
	}
	return name
}

// OTelName is the full name by the conventions of OpenTelemetry.
func (m Metric) OTelName(namespace string) string {
	if namespace == "" {
		return m.Name
	}
	return namespace + "." + m.Name
}
