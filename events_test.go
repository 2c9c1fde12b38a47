package sessile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sessile/sessile"
)

func TestEventsCarryNoSecrets(t *testing.T) { // S50, A12
	var names []string
	for f := range reflect.TypeFor[sessile.Event]().Fields() {
		switch f.Type {
		case reflect.TypeFor[sessile.Token](), reflect.TypeFor[sessile.Data](), reflect.TypeFor[sessile.Session](), reflect.TypeFor[any](), reflect.TypeFor[[]byte]():
			t.Errorf("%s is a %s", f.Name, f.Type)
		}
		names = append(names, f.Name)
	}
	if want := []string{"Kind", "SessionID", "UserID", "At", "Reason"}; !reflect.DeepEqual(names, want) {
		t.Errorf("an event has %v: is that safe to log? Expected %v", names, want)
	}
}

func TestEventKindsAreDistinctWords(t *testing.T) {
	seen := map[sessile.EventKind]bool{}
	for _, k := range []sessile.EventKind{
		sessile.EventCreated, sessile.EventRotated, sessile.EventDestroyed, sessile.EventExpired, sessile.EventEvicted,
		sessile.EventLimitReached, sessile.EventQuarantined, sessile.EventHealth, sessile.EventUnknownToken, sessile.EventTokenReused,
		sessile.EventFingerprintMismatch, sessile.EventAmbiguousCookies, sessile.EventUnreadable,
	} {
		if seen[k] || !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(k)) {
			t.Errorf("kind %q", k)
		}
		seen[k] = true
	}
}

// An event about the store is logged without a session, in every form.
func TestEventAboutNoSessionIsLoggedWithoutOne(t *testing.T) {
	var text bytes.Buffer
	for _, e := range []sessile.Event{{Kind: sessile.EventHealth, Reason: "writes fail"}, {Kind: sessile.EventCreated, SessionID: sessile.ID{1}, UserID: "ann"}} {
		text.Reset()
		core, logs := observer.New(zap.InfoLevel)
		zap.New(core).Info("event", zap.Inline(e), zap.Object("object", e))
		if err := json.NewEncoder(&text).Encode([]any{e, logs.All()[0].ContextMap()}); err != nil {
			t.Fatal(err)
		}
		slog.New(slog.NewJSONHandler(&text, nil)).Info("event", "", e, "group", e)
		want := 0
		if e.SessionID != (sessile.ID{}) {
			want = 5
		}
		if n := strings.Count(text.String(), `"session":`) + strings.Count(text.String(), `"session_id":`); n != want {
			t.Errorf("the session is logged %d times, want %d:\n%s", n, want, &text)
		}
		if n := strings.Count(text.String(), string(e.Kind)); n != 5 {
			t.Errorf("the kind is logged %d times, want 5:\n%s", n, &text)
		}
	}
}

// TestEventHookThatPanicsOrBlocksBreaksNothing: A10, S40.
func TestEventHookThatPanicsOrBlocksBreaksNothing(t *testing.T) {
	hold := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(hold) }))
	n := 0
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), Events: func(sessile.Event) {
		if n++; n == 2 {
			<-hold
		}
		panic("a broken hook")
	}})
	if err != nil {
		t.Fatal(err)
	}
	x, tok := login(t, s, "ann")
	if err := s.Destroy(t.Context(), x.ID()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		login(t, s, "bob")
	}
	if err := readErr(t, s, tok); !errors.Is(err, sessile.ErrNotFound) {
		t.Fatal(err)
	}
	hold <- struct{}{}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEventEncodesInSnakeCase(t *testing.T) {
	e := sessile.Event{Kind: sessile.EventCreated, SessionID: sessile.ID{1}, UserID: "ann", At: someTime, Reason: "r"}
	var got map[string]any
	raw, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(raw, &got)
	}
	if want := []string{"at", "kind", "reason", "session_id", "user_id"}; err != nil || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("%s, %v", raw, err)
	}
}
