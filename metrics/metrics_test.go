package metrics_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

var update = flag.Bool("update", false, "rewrite the table of docs/metrics.md")

// values are all numbers that the metrics read from r. Of a histogram it is the sum.
func values(r *metrics.Reading) (all []float64) {
	for _, m := range metrics.List() {
		for _, s := range m.Series {
			all = append(all, s.Value(r))
		}
		if m.Distribution != nil {
			all = append(all, m.Distribution(r).Sum)
		}
	}
	return all
}

// numbered returns a Stats whose every field has another value, and these by field.
func numbered() (s sessile.Stats, by map[string]float64) {
	by = make(map[string]float64)
	fields := reflect.ValueOf(&s).Elem()
	for i := range fields.NumField() {
		n := 1000 + i
		switch f := fields.Field(i); f.Interface().(type) {
		case time.Duration:
			f.SetInt(int64(n) * int64(time.Second))
		case sessile.Histogram:
			f.FieldByName("Sum").SetFloat(float64(n))
		default:
			f.Set(reflect.ValueOf(n).Convert(f.Type()))
		}
		by[fields.Type().Field(i).Name] = float64(n)
	}
	return s, by
}

func TestMetricsHaveEveryFieldOfStatsOnce(t *testing.T) {
	stats, by := numbered()
	got := values(&metrics.Reading{Stats: stats})
	for name, value := range by {
		n := len(slices.DeleteFunc(slices.Clone(got), func(v float64) bool { return v != value }))
		if n != 1 {
			t.Errorf("%d series have the value of %s, want 1", n, name)
		}
	}
}

func TestMetricsOfHealthTellStateSizesAndLastError(t *testing.T) {
	read := func(h sessile.Health) map[string]float64 {
		got := make(map[string]float64)
		for _, m := range metrics.List() {
			for _, s := range m.Series {
				got[strings.TrimSuffix(m.Name+" "+s.Label, " ")] = s.Value(&metrics.Reading{Health: h})
			}
		}
		return got
	}
	got := read(sessile.Health{State: sessile.HealthDegraded, LastErrorAt: time.UnixMilli(1500), FileBytes: 7, WALBytes: 8})
	for name, want := range map[string]float64{
		"health.state ok": 0, "health.state degraded": 1, "health.state failed": 0,
		"last_write_error.timestamp": 1.5, "file.size": 7, "wal.size": 8,
	} {
		if v, ok := got[name]; v != want || !ok {
			t.Errorf("%s is %v, %t, want %v", name, v, ok, want)
		}
	}
	got = read(sessile.Health{State: math.MaxUint8})
	if got["health.state failed"] != 1 || got["last_write_error.timestamp"] != 0 {
		t.Errorf("unknown state: %v", got)
	}
}

func TestMetricsHaveNamesByConvention(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range metrics.List() {
		name := m.PrometheusName("sessile")
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*([.][a-z]+(_[a-z]+)*)?$`).MatchString(m.Name) || seen[name] {
			t.Errorf("name %s, %s", m.Name, name)
		}
		seen[name] = true
		if !strings.HasSuffix(m.Help, ".") || strings.Contains(m.Help, "|") {
			t.Errorf("%s: help %q is no sentence", m.Name, m.Help)
		}
		if (m.Label == "") != (len(m.Series) <= 1) || (m.Distribution != nil) != (m.Kind == metrics.Histogram) || len(m.Series) == 0 && m.Distribution == nil {
			t.Errorf("%s: label %q, %d series", m.Name, m.Label, len(m.Series))
		}
	}
	for _, want := range []string{"sessile_reads_total", "sessile_commit_duration_seconds", "sessile_wal_size_bytes", "sessile_tombstones"} {
		if !seen[want] {
			t.Errorf("no metric has the name %s", want)
		}
	}
	m := metrics.Metric{Name: "reads", Kind: metrics.Counter}
	if m.PrometheusName("") != "reads_total" || m.OTelName("") != "reads" || m.OTelName("app.sessions") != "app.sessions.reads" {
		t.Errorf("%s, %s, %s", m.PrometheusName(""), m.OTelName(""), m.OTelName("app.sessions"))
	}
}

const begin, end = "<!-- table: go test ./metrics -update -->\n", "<!-- end of table -->"

// TestMetricsPageShowsTheList: the table of docs/metrics.md is generated.
func TestMetricsPageShowsTheList(t *testing.T) {
	path := filepath.Join("..", "docs", "metrics.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/metrics.md has no place for the table")
	}
	switch now := table(); {
	case old == now:
	case !*update:
		t.Error("the table of docs/metrics.md is out of date: go test ./metrics -update")
	default:
		if err := os.WriteFile(path, []byte(before+begin+now+end+after), 0o600); err != nil {
			t.Error(err)
		}
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| Prometheus | OpenTelemetry | kind | meaning |\n|---|---|---|---|\n")
	for _, m := range metrics.List() {
		label := ""
		if m.Label != "" {
			label = "{" + m.Label + "}"
		}
		fmt.Fprintf(&b, "| `%s%s` | `%s` | %s | %s |\n", m.PrometheusName("sessile"), label, m.OTelName("sessile"), m.Kind, strings.TrimSuffix(m.Help, "."))
	}
	return b.String()
}
