package sessile_test

import (
	"errors"
	"fmt"
	"log"
	"path/filepath"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/sqlite"
)

// New takes a store's backend. A program that calls New instead of Open chooses what it links.
func ExampleNew() {
	ctx, other, done := open(sessile.Config{})
	defer done()
	dir := filepath.Dir(other.Config().Path)

	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "another.db")})
	if err != nil {
		log.Fatal(err)
	}
	store, err := sessile.New(db, sessile.Config{})
	if err != nil {
		log.Fatal(errors.Join(err, db.Close()))
	}
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	fmt.Println(session.UserID(), err)
	fmt.Println(store.Close()) // closes db too
	// Output:
	// ann <nil>
	// <nil>
}

// The devices of a user, as an administrator sees them.
func ExampleStore_ListForUser() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	for _, agent := range []string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	} {
		if _, _, err := store.Create(ctx, sessile.NewMeta("192.0.2.1", agent, "en"), "ann", nil); err != nil {
			log.Fatal(err)
		}
	}

	sessions, err := store.ListForUser(ctx, "ann")
	for _, s := range sessions { // the most recently active first
		fmt.Println(s.DeviceName(), s.DeviceType())
	}
	fmt.Println(err)
	// Output:
	// Firefox on Linux desktop
	// Safari on iPhone mobile
	// <nil>
}

// Search finds sessions page by page. Filters can be combined.
func ExampleStore_Search() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	for _, user := range []string{"ann", "bob", "ann"} {
		if _, _, err := store.Create(ctx, sessile.NewMeta("192.0.2.1", "curl/8.0", ""), user, nil); err != nil {
			log.Fatal(err)
		}
	}

	q := sessile.Query{UserID: "ann", IPAddress: "192.0.2.1", Limit: 1}
	for {
		page, err := store.Search(ctx, q)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(page.Sessions), "session, more:", page.Next != "")
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	// Output:
	// 1 session, more: true
	// 1 session, more: false
}

// An administrator ends every session of a user, and says why.
func ExampleEndReason() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	n, err := store.DestroyAllForUser(ctx, "ann", "account disabled")
	fmt.Println(n, err)
	fmt.Println(store.EndReason(session.ID()))
	// Output:
	// 1 <nil>
	// account disabled
}

// A Meta says where a session began. Its fingerprint survives an update of the browser.
func ExampleNewMeta() {
	const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%[1]d.0"
	before := sessile.NewMeta("192.0.2.1", fmt.Sprintf(agent, 140), "en-GB,en;q=0.9")
	after := sessile.NewMeta("198.51.100.7", fmt.Sprintf(agent, 141), "en")
	fmt.Println(before.DeviceName, before.DeviceType, before.Fingerprint == after.Fingerprint)
	// Output: Firefox on Linux desktop true
}

// A token that was replaced is refused with the ID of its session. A copy of it may be in the wrong
// hands.
func ExampleRotatedError() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	session, old, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.RotateToken(ctx, session.ID()); err != nil {
		log.Fatal(err)
	}

	_, err = store.ReadByToken(ctx, old)
	rotated, ok := errors.AsType[*sessile.RotatedError](err)
	fmt.Println(ok, rotated.SessionID == session.ID(), errors.Is(err, sessile.ErrNotFound))
	// Output: true true true
}

// The distribution of commit times. Alert when the 99th percentile grows.
func ExampleHistogram() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	if _, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil); err != nil {
		log.Fatal(err)
	}
	if err := store.Sync(ctx); err != nil {
		log.Fatal(err)
	}

	commits := store.Stats().CommitSeconds
	fmt.Println(commits.Count > 0, commits.Quantile(0.99) > 0)
	// Output: true true
}

// Restore a backup, and end what it would revive before anybody can use it.
func ExampleRestoreWith() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	path := store.Config().Path
	backup := path + ".backup"
	session, token, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(store.Backup(ctx, backup), store.Destroy(ctx, session.ID()), store.Close()); err != nil {
		log.Fatal(err)
	}

	report, err := sessile.RestoreWith(ctx, backup, path, sessile.RestoreOptions{EndRevived: true})
	if err != nil {
		log.Fatal(err)
	}
	store = check(sessile.Open(ctx, sessile.Config{Path: path}))
	defer store.Close()
	_, err = store.ReadByToken(ctx, token)
	fmt.Println(report.Revived, "logged out since, and", report.Ended, "ended again:", errors.Is(err, sessile.ErrNotFound))
	// Output: 1 logged out since, and 1 ended again: true
}
