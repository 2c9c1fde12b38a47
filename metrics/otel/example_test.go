package otel_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics/otel"
)

// Exports a store's metrics. An application takes a reader that sends them, for example
// sdk.NewPeriodicReader.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sessile-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sessile.Open(ctx, sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	reader := sdk.NewManualReader(sdk.WithProducer(otel.NewProducer(store, otel.Options{})))
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	registration, err := otel.Register(provider, store, otel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer registration.Unregister()

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		log.Fatal(err)
	}
	fmt.Println(collected.ScopeMetrics[0].Metrics[0].Name)
	// Output: sessile.reads
}
