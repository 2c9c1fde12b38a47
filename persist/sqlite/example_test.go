package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// An open file is locked. Applications use sessile.Open, which opens the file in this way.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sessions.db")
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close() // or sessile.New(db, cfg), whose Close closes db

	_, err = sqlite.Open(context.Background(), sqlite.Config{Path: path})
	fmt.Println(errors.Is(err, persist.ErrLocked))
	// Output: true
}

// Examine checks a file or a backup and changes nothing.
func ExampleExamine() {
	dir, err := os.MkdirTemp("", "sessile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, path := context.Background(), filepath.Join(dir, "sessions.db")
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(db.Backup(ctx, path+".backup"), db.Close()); err != nil {
		log.Fatal(err)
	}

	found, err := sqlite.Examine(ctx, path+".backup")
	fmt.Println(found.Sessions, "sessions,", len(found.Damage), "damaged places, a backup:", found.Made != 0, err)
	// Output: 0 sessions, 0 damaged places, a backup: true <nil>
}
