package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
)

// A node of an application. All nodes over one schema share their sessions.
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

// The nodes may not change the schema. A job of another role does that before they start.
func ExampleMigrate() {
	cfg := postgres.Config{URL: os.Getenv("DATABASE_OWNER_URL")}
	if err := postgres.Migrate(context.Background(), cfg); err != nil {
		log.Fatal(err)
	}
	// The nodes set NoMigrate, and use a role with the rights of RoleSQL.
}

// The rights of the nodes, for whoever runs the database.
func ExampleRoleSQL() {
	fmt.Println(postgres.RoleSQL("sessile", "app"))
	// Output:
	// -- What a node needs at run time. Run it as the owner of the schema, once for each version of the schema.
	// GRANT USAGE ON SCHEMA "sessile" TO "app";
	// GRANT SELECT ON "sessile".migration TO "app";
	// GRANT SELECT, UPDATE (clock) ON "sessile".store TO "app";
	// GRANT SELECT, INSERT, UPDATE, DELETE ON "sessile".session, "sessile".activity TO "app";
	// GRANT USAGE ON SEQUENCE "sessile".session_key TO "app";
}
