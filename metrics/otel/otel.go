// Package otel exports what a store measures to OpenTelemetry. Package metrics of the root
// module has the list. Each collection reads the store, and no goroutine runs in between.
//
//	reader := sdk.NewPeriodicReader(exporter, sdk.WithProducer(otel.NewProducer(store, otel.Options{})))
//	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
//	registration, err := otel.Register(provider, store, otel.Options{})
package otel

import (
	"context"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

// scope names the meter.
const scope = "github.com/sessile/sessile/metrics/otel"

// Options name the metrics. The zero value works.
type Options struct {
	// Namespace begins each name. Default "sessile".
	Namespace string
	// Attributes are added to each metric. A program with several stores sets one that differs.
	Attributes []attribute.KeyValue
}

func (o Options) namespace() string {
	if o.Namespace == "" {
		return "sessile"
	}
	return o.Namespace
}

// Register adds the counters and gauges of store to a meter of provider. One callback reads
// the store at each collection. Unregister the result before the store is closed, or the
// counters start again at 0. Histograms come from [NewProducer]: OpenTelemetry has no
// instrument that observes a histogram which somebody else has counted.
func Register(provider metric.MeterProvider, store *sessile.Store, opts Options) (metric.Registration, error) {
	meter := provider.Meter(scope)
	var all []instrument
	var observed []metric.Observable
	for _, m := range metrics.List() {
		if m.Kind == metrics.Histogram {
			continue
		}
		i, err := newInstrument(meter, m, opts)
		if err != nil {
			return nil, fmt.Errorf("registering %s: %w", m.OTelName(opts.namespace()), err)
		}
		all, observed = append(all, i), append(observed, i.Float64Observable)
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		r := metrics.Read(store)
		for _, i := range all {
			i.observe(o, r)
		}
		return nil
	}, observed...)
}

// instrument is a counter or gauge and the attributes of its series.
type instrument struct {
	metric.Float64Observable
	series     []metrics.Series
	attributes []metric.MeasurementOption
}

func newInstrument(meter metric.Meter, m metrics.Metric, opts Options) (i instrument, err error) {
	name, help, unit := m.OTelName(opts.namespace()), metric.WithDescription(m.Help), metric.WithUnit(m.Unit)
	if m.Kind == metrics.Counter {
		i.Float64Observable, err = meter.Float64ObservableCounter(name, help, unit)
	} else {
		i.Float64Observable, err = meter.Float64ObservableGauge(name, help, unit)
	}
	i.series = m.Series
	for _, s := range m.Series {
		set := opts.Attributes
		if m.Label != "" {
			set = append(slices.Clip(set), attribute.String(m.Label, s.Label))
		}
		i.attributes = append(i.attributes, metric.WithAttributeSet(attribute.NewSet(set...)))
	}
	return i, err
}

func (i instrument) observe(o metric.Observer, r *metrics.Reading) {
	for n, s := range i.series {
		o.ObserveFloat64(i.Float64Observable, s.Value(r), i.attributes[n])
	}
}
