package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

// producer gives a reader of the SDK the histograms of a store.
type producer struct {
	store *sessile.Store
	opts  Options
	start time.Time
}

// NewProducer returns the histograms of store, for sdk/metric.WithProducer. They are
// cumulative, for readers of delta temporality too. Call it when the store has been opened:
// their start time is that of the call.
func NewProducer(store *sessile.Store, opts Options) sdk.Producer {
	return &producer{store: store, opts: opts, start: time.Now()}
}

// Produce reads the store once.
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	r, now := metrics.Read(p.store), time.Now()
	out := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scope}}
	for _, m := range metrics.List() {
		if m.Kind != metrics.Histogram {
			continue
		}
		point := pointOf(m.Distribution(r))
		point.Attributes, point.StartTime, point.Time = attribute.NewSet(p.opts.Attributes...), p.start, now
		out.Metrics = append(out.Metrics, metricdata.Metrics{
			Name: m.OTelName(p.opts.namespace()), Description: m.Help, Unit: m.Unit,
			Data: metricdata.Histogram[float64]{
				Temporality: metricdata.CumulativeTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{point},
			},
		})
	}
	return []metricdata.ScopeMetrics{out}, nil
}

// pointOf converts a histogram. Its buckets count all lower ones too; those of a point do not.
func pointOf(h sessile.Histogram) metricdata.HistogramDataPoint[float64] {
	point := metricdata.HistogramDataPoint[float64]{Count: h.Count, Sum: h.Sum}
	lower := uint64(0)
	for _, b := range h.Buckets {
		point.Bounds = append(point.Bounds, b.UpTo)
		point.BucketCounts = append(point.BucketCounts, b.Count-lower)
		lower = b.Count
	}
	point.BucketCounts = append(point.BucketCounts, h.Count-lower)
	return point
}
