package otel_test

import (
	"path/filepath"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
	"github.com/sessile/sessile/metrics/otel"
	_ "github.com/sessile/sessile/persist/sqlite"
)

// open opens a store in a new file, for the time of the test.
func open(t *testing.T) *sessile.Store {
	t.Helper()
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), CleanupInterval: sessile.NoCleanup})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// login makes a session of ann's, and reads it.
func login(t *testing.T, s *sessile.Store) {
	t.Helper()
	_, token, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadByToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
}

// register returns a reader of a store's metrics, and what ends that.
func register(t *testing.T, s *sessile.Store, opts otel.Options) (reader *sdk.ManualReader, unregister func() error) {
	t.Helper()
	reader = sdk.NewManualReader(sdk.WithProducer(otel.NewProducer(s, opts)))
	r, err := otel.Register(sdk.NewMeterProvider(sdk.WithReader(reader)), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	return reader, r.Unregister
}

// collect returns what a reader sees, by name.
func collect(t *testing.T, reader *sdk.ManualReader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	by := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if _, twice := by[m.Name]; twice {
				t.Errorf("%s comes twice", m.Name)
			}
			by[m.Name] = m
		}
	}
	return by
}

// value is that of the series with these attributes.
func value(t *testing.T, m metricdata.Metrics, attributes ...attribute.KeyValue) float64 {
	t.Helper()
	var points []metricdata.DataPoint[float64]
	switch data := m.Data.(type) {
	case metricdata.Sum[float64]:
		points = data.DataPoints
		if !data.IsMonotonic || data.Temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s is no counter", m.Name)
		}
	case metricdata.Gauge[float64]:
		points = data.DataPoints
	}
	want := attribute.NewSet(attributes...)
	i := slices.IndexFunc(points, func(p metricdata.DataPoint[float64]) bool { return p.Attributes.Equals(&want) })
	if i < 0 {
		t.Fatalf("%s has no series %v: %v", m.Name, attributes, points)
	}
	return points[i].Value
}

func TestRegisterExportsEveryMetric(t *testing.T) {
	reader, _ := register(t, open(t), otel.Options{})
	got := collect(t, reader)
	for _, m := range metrics.List() {
		o, ok := got["sessile."+m.Name]
		if !ok || o.Unit != m.Unit || o.Description != m.Help {
			t.Errorf("%s: %t, unit %q, %q", m.Name, ok, o.Unit, o.Description)
		}
	}
	if n := len(metrics.List()); len(got) != n {
		t.Errorf("%d metrics, want %d", len(got), n)
	}
}

func TestRegisterReadsTheStoreAtEachCollection(t *testing.T) {
	s := open(t)
	reader, _ := register(t, s, otel.Options{})
	for want := range 3 {
		got := collect(t, reader)
		for name, v := range map[string]float64{
			"sessions created": value(t, got["sessile.sessions.created"]),
			"hits":             value(t, got["sessile.reads"], attribute.String("source", "memory")),
			"in memory":        value(t, got["sessile.cache.sessions"]),
		} {
			if v != float64(want) {
				t.Errorf("%s: %v, want %d", name, v, want)
			}
		}
		login(t, s)
	}
	if v := value(t, collect(t, reader)["sessile.health.state"], attribute.String("state", "ok")); v != 1 {
		t.Errorf("healthy: %v, want 1", v)
	}
}

func TestProducerConvertsHistograms(t *testing.T) {
	s := open(t)
	reader, _ := register(t, s, otel.Options{})
	login(t, s)
	login(t, s)
	h, ok := collect(t, reader)["sessile.batch.size"].Data.(metricdata.Histogram[float64])
	if !ok || len(h.DataPoints) != 1 || h.Temporality != metricdata.CumulativeTemporality {
		t.Fatalf("%+v", h)
	}
	p := h.DataPoints[0]
	if p.Count != 2 || p.Sum != 2 || p.BucketCounts[0] != 2 || p.Bounds[0] != 1 || p.Bounds[1] != 2 || len(p.BucketCounts) != len(p.Bounds)+1 {
		t.Errorf("%+v", p)
	}
	sum := uint64(0)
	for _, n := range p.BucketCounts {
		sum += n
	}
	if sum != p.Count || p.StartTime.IsZero() || p.Time.Before(p.StartTime) {
		t.Errorf("%d in buckets, from %v to %v: %+v", sum, p.StartTime, p.Time, p)
	}
}

func TestOptionsNameAndLabelEveryMetric(t *testing.T) {
	s := open(t)
	login(t, s)
	store := attribute.String("store", "web")
	attributes := append(make([]attribute.KeyValue, 0, 10), store) // with room, which no series may share
	reader, _ := register(t, s, otel.Options{Namespace: "app", Attributes: attributes})
	got := collect(t, reader)
	if v := value(t, got["app.sessions.created"], store); v != 1 {
		t.Errorf("created: %v, want 1", v)
	}
	for source, want := range map[string]float64{"memory": 1, "disk": 0} {
		if v := value(t, got["app.reads"], store, attribute.String("source", source)); v != want {
			t.Errorf("reads from %s: %v, want %v", source, v, want)
		}
	}
	h, _ := got["app.commit.duration"].Data.(metricdata.Histogram[float64])
	if len(h.DataPoints) != 1 || !h.DataPoints[0].Attributes.HasValue("store") {
		t.Errorf("%+v", h)
	}
}

func TestUnregisterEndsTheReads(t *testing.T) {
	s := open(t)
	reader, unregister := register(t, s, otel.Options{})
	if err := unregister(); err != nil {
		t.Fatal(err)
	}
	if m, ok := collect(t, reader)["sessile.sessions.created"]; ok {
		t.Errorf("%+v", m)
	}
}

func TestRegisterReturnsTheFaultOfAName(t *testing.T) {
	_, err := otel.Register(sdk.NewMeterProvider(), open(t), otel.Options{Namespace: "1 app"})
	if err == nil {
		t.Error("an invalid name is registered")
	}
}
