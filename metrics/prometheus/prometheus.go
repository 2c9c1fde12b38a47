// Package prometheus exports what a store measures to Prometheus. Package metrics of the root
// module has the list. Each scrape reads the store, and no goroutine runs in between.
//
//	client.MustRegister(prometheus.New(store, prometheus.Options{}))
//
// Alert rules and a Grafana dashboard are beside the package.
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

// Options name the metrics. The zero value works.
type Options struct {
	// Namespace begins each name. Default "sessile".
	Namespace string
	// ConstLabels are added to each metric. A program with several stores sets one that differs.
	ConstLabels prometheus.Labels
}

// Collector reads a store when it is scraped. It is safe for concurrent use.
type Collector struct {
	store   *sessile.Store
	exports []export
}

// export is a metric and how Prometheus describes it.
type export struct {
	metrics.Metric
	desc *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a collector of store's metrics. Register it with a prometheus.Registerer. After
// the store is closed, its health is "failed" and most values are 0.
func New(store *sessile.Store, opts Options) *Collector {
	namespace := opts.Namespace
	if namespace == "" {
		namespace = "sessile"
	}
	c := &Collector{store: store}
	for _, m := range metrics.List() {
		var labels []string
		if m.Label != "" {
			labels = []string{m.Label}
		}
		desc := prometheus.NewDesc(m.PrometheusName(namespace), m.Help, labels, opts.ConstLabels)
		c.exports = append(c.exports, export{m, desc})
	}
	return c
}

// Describe sends the description of every metric.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, e := range c.exports {
		to <- e.desc
	}
}

// Collect reads the store once and sends every metric.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	r := metrics.Read(c.store)
	for _, e := range c.exports {
		e.send(to, r)
	}
}

func (e export) send(to chan<- prometheus.Metric, r *metrics.Reading) {
	if e.Distribution != nil {
		h := e.Distribution(r)
		buckets := make(map[float64]uint64, len(h.Buckets))
		for _, b := range h.Buckets {
			buckets[b.UpTo] = b.Count
		}
		to <- prometheus.MustNewConstHistogram(e.desc, h.Count, h.Sum, buckets)
		return
	}
	kind := prometheus.GaugeValue
	if e.Kind == metrics.Counter {
		kind = prometheus.CounterValue
	}
	for _, s := range e.Series {
		var labels []string
		if e.Label != "" {
			labels = []string{s.Label}
		}
		to <- prometheus.MustNewConstMetric(e.desc, kind, s.Value(r), labels...)
	}
}
