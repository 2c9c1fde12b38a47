package sessile_test

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sessile/sessile"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

// open opens a store in a new directory, for an example. done closes and removes it.
func open(cfg sessile.Config) (ctx context.Context, store *sessile.Store, done func()) {
	ctx = context.Background()
	dir := check(os.MkdirTemp("", "sessile"))
	cfg.Path = filepath.Join(dir, "sessions.db")
	store = check(sessile.Open(ctx, cfg))
	return ctx, store, func() {
		_ = store.Close()
		_ = os.RemoveAll(dir)
	}
}

// check ends an example that fails.
func check[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A store without HTTP: for a job queue, a websocket gateway, an admin tool.
func ExampleStore() {
	ctx, store, done := open(sessile.Config{})
	defer done()

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

// Two requests of one session change different keys at the same time. Neither change is lost.
func ExampleStore_Update() {
	ctx, store, done := open(sessile.Config{TTL: time.Hour})
	defer done()
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	var both sync.WaitGroup
	both.Go(func() { check(store.Update(ctx, session.ID(), new(sessile.Changes).Set("cart", []string{"tea"}))) })
	both.Go(func() { check(store.Update(ctx, session.ID(), new(sessile.Changes).Set("theme", "dark"))) })
	both.Wait()
	session, err = store.Read(ctx, session.ID())
	fmt.Println(string(session.Data().JSON()), err)
	// Output: {"cart":["tea"],"theme":"dark"} <nil>
}

// A Session is a small value with methods, so templates can use it. It does not change after it was
// read.
func ExampleSession() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	meta := sessile.NewMeta("192.0.2.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "en")
	session, _, err := store.Create(ctx, meta, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	page := template.Must(template.New("").Parse("{{.UserID}} uses {{.DeviceName}}{{if .IsGuest}} as a guest{{end}}.\n"))
	_ = page.Execute(os.Stdout, session)
	fmt.Println("it lives for", session.ExpiresAt().Sub(session.CreatedAt()))

	var none sessile.Session
	fmt.Println(none.IsZero(), none.UserID() == "")
	// Output:
	// ann uses Firefox on Linux.
	// it lives for 720h0m0s
	// true true
}

// "Remember me" for a year. The new session replaces the one that the client had.
func ExampleNewSession() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	guest, _, err := store.CreateWith(ctx, sessile.NewSession{Guest: true, TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	old, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	session, _, err := store.CreateWith(ctx, sessile.NewSession{
		UserID: "ann", TTL: 365 * 24 * time.Hour, MaxLifetime: sessile.NoMaxLifetime, Replaces: old.ID(),
	})
	_, gone := store.Read(ctx, old.ID())
	fmt.Println(guest.IsGuest(), session.TTL(), session.Deadline().IsZero(), err)
	fmt.Println(errors.Is(gone, sessile.ErrNotFound))
	// Output:
	// true 8760h0m0s true <nil>
	// true
}

// A token is a secret. It prints as asterisks, and only Reveal returns its text.
func ExampleToken() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	_, token, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	text := token.Reveal() // for the cookie or the Authorization header
	parsed, err := sessile.ParseToken(text)
	fmt.Printf("%v %s %d characters, %v\n", token, parsed, len(text), err)
	fmt.Println(token.Equal(parsed), parsed.IsZero())
	_, err = sessile.ParseToken("nonsense")
	fmt.Println(err)
	// Output:
	// **** **** 52 characters, <nil>
	// true false
	// invalid session token: session not found
}

// After a change of privilege, a session gets a new token. The old one gives no access.
func ExampleRotation() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	session, old, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	rotated, token, err := store.Rotate(ctx, session.ID(), sessile.Rotation{From: old, Reauthenticated: true})
	if err != nil {
		log.Fatal(err)
	}
	_, err = store.ReadByToken(ctx, old)
	_, isRotated := errors.AsType[*sessile.RotatedError](err)
	again, err := store.ReadByToken(ctx, token)
	fmt.Println(isRotated, again.ID() == session.ID(), rotated.AuthenticatedAt().After(session.AuthenticatedAt()), err)
	// Output: true true true <nil>
}

// Changes are collected and applied in one step. All faults are returned as one error.
func ExampleChanges() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", map[string]any{"draft": "…"})
	if err != nil {
		log.Fatal(err)
	}

	changes := new(sessile.Changes).Set("theme", "dark").Set("seen", 3).Delete("draft")
	fmt.Println(changes)
	session, err = store.Update(ctx, session.ID(), changes)
	fmt.Println(string(session.Data().JSON()), err)
	_, err = store.Update(ctx, session.ID(), new(sessile.Changes).Set("f", func() {}))
	fmt.Println(errors.Is(err, sessile.ErrInvalidData))
	// Output:
	// Changes(3 keys)
	// {"seen":3,"theme":"dark"} <nil>
	// true
}

// Data is read key by key with Get, or as a whole. It prints as its size.
func ExampleData() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", map[string]any{"cart": []string{"tea", "milk"}, "visits": 7})
	if err != nil {
		log.Fatal(err)
	}

	cart, found, err := sessile.Get[[]string](session, "cart")
	fmt.Println(cart, found, err)
	var all struct{ Visits int }
	err = session.Data().Decode(&all)
	fmt.Println(session.Data(), session.Data().Keys(), all.Visits, err)
	// Output:
	// [tea milk] true <nil>
	// Data(34 bytes) [cart visits] 7 <nil>
}

// A Config reports all its faults at once.
func ExampleConfig() {
	cfg := sessile.Config{TTL: 48 * time.Hour, MaxLifetime: 24 * time.Hour, OnLimit: "ask"}
	fmt.Println(cfg.Validate())

	cfg = sessile.Config{TTL: time.Hour, MaxSessionsPerUser: sessile.NoSessionLimit}
	fmt.Println(cfg.Validate())
	// Output:
	// invalid configuration:
	// ttl: 48h0m0s is longer than max_lifetime, 24h0m0s
	// on_limit: "ask" is neither "evict_oldest" nor "refuse_new"
	// <nil>
}

// An audit log of logins and logouts. An Event contains no secret.
func ExampleEvent() {
	var events sync.WaitGroup
	events.Add(2)
	audit := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimesAndIDs}))
	ctx, store, done := open(sessile.Config{Events: func(e sessile.Event) {
		audit.Info("session", "", e)
		events.Done()
	}})
	defer done()

	session, _, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Destroy(ctx, session.ID()); err != nil {
		log.Fatal(err)
	}
	events.Wait() // they come one after the other, on a goroutine of the store
	// Output:
	// level=INFO msg=session kind=created user=ann
	// level=INFO msg=session kind=destroyed user=ann reason="logged out"
}

// withoutTimesAndIDs makes the output of the example repeatable.
func withoutTimesAndIDs(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "time" || a.Key == "at" || a.Key == "session" {
		return slog.Attr{}
	}
	return a
}

// A health check for a load balancer.
func ExampleHealth() {
	_, store, done := open(sessile.Config{})
	defer done()

	status := func() int {
		if store.Health().State == sessile.HealthFailed {
			return 503
		}
		return 200
	}
	fmt.Println(store.Health().State, status())
	_ = store.Close()
	fmt.Println(store.Health().State, status(), store.Health().Reason)
	// Output:
	// ok 200
	// failed 503 closed
}

// Stats shows how much memory holds, and how often it misses.
func ExampleStats() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	_, token, err := store.Create(ctx, sessile.Meta{}, "ann", nil)
	if err != nil {
		log.Fatal(err)
	}

	_, _ = store.ReadByToken(ctx, token)
	s := store.Stats()
	fmt.Println(s.Created, "created,", s.Hits, "read from memory,", s.Hot, "in memory,", s.CacheEvictions, "made room")
	// Output: 1 created, 1 read from memory, 1 in memory, 0 made room
}

// A backup is made while the store runs, and restored while it is closed.
func ExampleRestore() {
	ctx, store, done := open(sessile.Config{})
	defer done()
	path := store.Config().Path
	backup := path + ".backup"
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
