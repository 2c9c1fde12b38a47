package prometheus_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics/prometheus"
)

// Registers a store's metrics and serves them at /metrics. Do not let strangers read that path.
func Example() {
	dir, err := os.MkdirTemp("", "sessile-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sessile.Open(context.Background(), sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	mux := http.NewServeMux()
	registry := client.NewRegistry() // of github.com/prometheus/client_golang/prometheus
	registry.MustRegister(prometheus.New(store, prometheus.Options{}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(families[0].GetName())
	// Output: sessile_batch_size
}
