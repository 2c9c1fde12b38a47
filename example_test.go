package sessile_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/sessile/sessile"
	_ "github.com/sessile/sessile/persist/sqlite" // the engine of sessile.Open
)

// A store without HTTP: for a job queue, a websocket gateway, an admin tool.
func ExampleStore() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	store, err := sessile.Open(ctx, sessile.Config{Path: filepath.Join(dir, "sessions.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	session, token, err := store.Create(ctx, sessile.Meta{}, "ann", map[string]any{"theme": "dark"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the token prints as", token)

	again, err := store.ReadByToken(ctx, token)
	if err != nil {
		log.Fatal(err)
	}
	theme, _, _ := sessile.Get[string](again, "theme")
	fmt.Println(again.UserID(), theme)

	if err := store.Destroy(ctx, session.ID()); err != nil {
		log.Fatal(err)
	}
	_, err = store.ReadByToken(ctx, token)
	fmt.Println(errors.Is(err, sessile.ErrNotFound))
	// Output:
	// the token prints as ****
	// ann dark
	// true
}

// Two requests of one session change different keys at the same time; neither is lost.
func ExampleStore_Update() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store, err := sessile.Open(ctx, sessile.Config{Path: filepath.Join(dir, "sessions.db"), TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	done := make(chan error)
	go func() {
		_, err := store.Update(ctx, session.ID(), new(sessile.Changes).Set("cart", []string{"tea"}))
		done <- err
	}()
	go func() {
		_, err := store.Update(ctx, session.ID(), new(sessile.Changes).Set("theme", "dark"))
		done <- err
	}()
	if err := errors.Join(<-done, <-done); err != nil {
		log.Fatal(err)
	}
	session, err = store.Read(ctx, session.ID())
	fmt.Println(string(session.Data().JSON()), err)
	// Output: {"cart":["tea"],"theme":"dark"} <nil>
}

// A backup is made while the store runs, and put back while it is closed.
func ExampleRestore() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, path, backup := context.Background(), filepath.Join(dir, "sessions.db"), filepath.Join(dir, "backup.db")

	store, err := sessile.Open(ctx, sessile.Config{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Backup(ctx, backup); err != nil { // any time
		log.Fatal(err)
	}
	if err := store.Destroy(ctx, session.ID()); err != nil { // after the backup was made
		log.Fatal(err)
	}
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}

	report, err := sessile.Restore(ctx, backup, path) // while the store is closed
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Revived, "logged out since, and valid again")
	fmt.Println(report.Lost, "created since, and gone")
	// Output:
	// 1 logged out since, and valid again
	// 0 created since, and gone
}
