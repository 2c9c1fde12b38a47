package postgres_test

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
)

func Example() {
	ctx := context.Background()
	db, err := postgres.Open(ctx, postgres.Config{
		URL:     os.Getenv("DATABASE_URL"),      // may lead to a pooler
		FeedURL: os.Getenv("DATABASE_FEED_URL"), // leads to the server itself
	})
	if err != nil {
		log.Fatal(err)
	}
	store, err := sessile.New(db, sessile.Config{})
	if err != nil {
		log.Fatal(errors.Join(err, db.Close()))
	}
	defer store.Close() // closes db too
}
