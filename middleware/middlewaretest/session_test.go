package middlewaretest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

func TestSessionIsWhatItsSpecSays(t *testing.T) {
	hour := func(n int) time.Time { return time.Date(2026, 5, 4, n, 0, 0, 0, time.UTC) }
	id, err := sessile.ParseID("01KQREZ103NF6VEXYX0Z85Z7KV")
	if err != nil {
		t.Fatal(err)
	}
	s := middlewaretest.Session(t, middlewaretest.SessionSpec{
		ID: id, UserID: "ann", Meta: sessile.Meta{IPAddress: "192.0.2.1", DeviceName: "Firefox on Linux"}, Data: map[string]int{"n": 1},
		CreatedAt: hour(1), AuthenticatedAt: hour(2), RotatedAt: hour(3), LastActiveAt: hour(4), ExpiresAt: hour(5), Deadline: hour(6), TTL: time.Hour,
	})
	got := [...]any{
		s.ID(), s.UserID(), s.IPAddress(), s.DeviceName(), string(s.Data().JSON()),
		s.CreatedAt(), s.AuthenticatedAt(), s.RotatedAt(), s.LastActiveAt(), s.ExpiresAt(), s.Deadline(), s.TTL(),
	}
	want := [...]any{
		id, "ann", "192.0.2.1", "Firefox on Linux", `{"n":1}`, hour(1), hour(2), hour(3), hour(4), hour(5), hour(6), time.Hour,
	}
	if got != want {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestSessionOfTheZeroSpecIsAGuestsAndBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		s := middlewaretest.Session(t, middlewaretest.SessionSpec{})
		if !s.IsGuest() || s.IsZero() || s.ID().IsZero() || s.ID().Time().UnixMilli() != now.UnixMilli() || !s.CreatedAt().Equal(now) ||
			!s.LastActiveAt().Equal(now) || !s.ExpiresAt().Equal(now.Add(s.TTL())) || !s.Deadline().IsZero() || !s.RotatedAt().IsZero() ||
			!s.AuthenticatedAt().Equal(now) || s.Data().Len() != len("{}") {
			t.Errorf("%v, created at %v, expires at %v", s, s.CreatedAt(), s.ExpiresAt())
		}
		if other := middlewaretest.Session(t, middlewaretest.SessionSpec{}); other.ID() == s.ID() {
			t.Error("two sessions have one ID")
		}
	})
}

func TestWithHandleGivesTheHandleOfTheRequest(t *testing.T) {
	store := middlewaretest.NewStore(t, sessile.Config{})
	sessions := middlewaretest.Over(t, store, middleware.Options{})
	r := middlewaretest.Request(t, sessions, http.MethodGet, "/", "alice")
	var id sessile.ID
	t.Run("inside", func(t *testing.T) {
		h := middleware.From(middlewaretest.WithHandle(t, sessions, r).Context())
		if user, ok := h.UserID(); user != "alice" || !ok {
			t.Fatalf("user %q, %v", user, ok)
		}
		if err := h.Set("theme", "dark"); err != nil {
			t.Fatal(err)
		}
		s, _ := h.Current()
		id = s.ID()
		if theme, _, err := middleware.Get[string](h, "theme"); theme != "dark" || err != nil {
			t.Fatalf("theme %q, %v", theme, err)
		}
	})
	s, err := store.Read(t.Context(), id) // the test has ended: it is committed
	if err != nil {
		t.Fatal(err)
	}
	if theme, _, err := sessile.Get[string](s, "theme"); theme != "dark" || err != nil {
		t.Fatalf("theme %q, %v", theme, err)
	}
}

func TestWithHandleFailsWithoutAStore(t *testing.T) {
	store := middlewaretest.NewStore(t, sessile.Config{})
	sessions := middlewaretest.Over(t, store, middleware.Options{})
	r := middlewaretest.Request(t, sessions, http.MethodGet, "/", "alice")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if !fails(t, func(tb testing.TB) { middlewaretest.WithHandle(tb, sessions, r) }) {
		t.Error("there is a handle without a store")
	}
}

// fails reports whether a helper ends the test that it gets.
func fails(t *testing.T, helper func(testing.TB)) bool {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		helper(r)
	}()
	<-done
	return r.failed
}

func TestSessionHasTheDataOfARealStore(t *testing.T) {
	type data struct{ Z, A string }
	s := middlewaretest.Session(t, middlewaretest.SessionSpec{Data: data{"<z>", "a"}})
	if got := string(s.Data().JSON()); got != `{"A":"a","Z":"<z>"}` {
		t.Error(got)
	}
}

func TestSessionFromTheFutureBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := time.Now().Add(time.Hour)
		s := middlewaretest.Session(t, middlewaretest.SessionSpec{CreatedAt: later, LastActiveAt: later})
		if now := time.Now(); !s.CreatedAt().Equal(now) || !s.LastActiveAt().Equal(now) || !s.AuthenticatedAt().Equal(now) {
			t.Errorf("created %v, active %v, authenticated %v", s.CreatedAt(), s.LastActiveAt(), s.AuthenticatedAt())
		}
	})
}

func TestSessionThatAStoreWouldRefuseFailsTheTest(t *testing.T) {
	for name, spec := range map[string]middlewaretest.SessionSpec{
		"NUL in the user ID": {UserID: "a\x00b"}, "large data": {Data: map[string]string{"k": strings.Repeat("x", 100_000)}},
		"negative TTL": {TTL: -5}, "no object": {Data: 1},
	} {
		if !fails(t, func(tb testing.TB) { middlewaretest.Session(tb, spec) }) {
			t.Errorf("%s is accepted", name)
		}
	}
}
