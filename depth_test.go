package sessile_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/object"
)

// maxDepth is how deep a session's data may be nested, its own object counted.
const maxDepth = 10_000

// nested is a value of so many arrays in each other.
func nested(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

// nestedGo is the same as a Go value.
func nestedGo(depth int) (v any) {
	for range depth {
		v = []any{v}
	}
	return v
}

// entrances are all the ways in which data gets into a session, each with a value so
// deep that the whole is depth deep.
func entrances(f *fixture) map[string]func(id sessile.ID, depth int) error {
	ctx := f.Context()
	tree := func(depth int) any { return map[string]any{"tree": nested(depth - 1)} }
	made := func(depth int) any { return map[string]any{"tree": nestedGo(depth - 1)} }
	own := func(s sessile.Session, err error) error {
		if err == nil {
			f.readable(s)
		}
		return err
	}
	flush := func(id sessile.ID, data any) error {
		return f.store.Flush(ctx, id, data, f.clock.t, f.clock.t.Add(time.Hour))
	}
	return map[string]func(id sessile.ID, depth int) error{
		"Create": func(_ sessile.ID, depth int) error {
			s, _, err := f.store.Create(ctx, sessile.Meta{}, "bob", tree(depth))
			return own(s, err)
		},
		"CreateWith": func(_ sessile.ID, depth int) error {
			s, _, err := f.store.CreateWith(ctx, sessile.NewSession{Guest: true, Data: made(depth)})
			return own(s, err)
		},
		"Create of JSON": func(_ sessile.ID, depth int) error {
			s, _, err := f.store.Create(ctx, sessile.Meta{}, "bob", json.RawMessage(`{"tree":`+string(nested(depth-1))+`}`))
			return own(s, err)
		},
		"Flush":       func(id sessile.ID, depth int) error { return flush(id, tree(depth)) },
		"Flush of Go": func(id sessile.ID, depth int) error { return flush(id, made(depth)) },
		"FlushDurable": func(id sessile.ID, depth int) error {
			return f.store.FlushDurable(ctx, id, tree(depth), f.clock.t, f.clock.t.Add(time.Hour))
		},
		"Update": func(id sessile.ID, depth int) error {
			_, err := f.store.Update(ctx, id, new(sessile.Changes).Set("tree", nested(depth-1)))
			return err
		},
		"Update of Go": func(id sessile.ID, depth int) error {
			_, err := f.store.Update(ctx, id, new(sessile.Changes).Set("tree", nestedGo(depth-1)))
			return err
		},
		"UpdateDurable": func(id sessile.ID, depth int) error {
			_, err := f.store.UpdateDurable(ctx, id, new(sessile.Changes).Set("tree", nested(depth-1)))
			return err
		},
	}
}

// readable fails unless a session can be read and written again after a restart.
func (f *fixture) readable(s sessile.Session) {
	f.Helper()
	f.must(f.store.Close())
	f.open()
	got, err := f.store.Read(f.Context(), s.ID())
	f.must(err)
	v, ok, err := sessile.Get[any](got, "tree")
	f.must(err)
	if _, isList := v.([]any); !ok || !isList {
		f.Fatalf("tree is %T, %t", v, ok)
	}
	var whole map[string]any
	f.must(got.Data().Decode(&whole))
	_, err = json.Marshal(got.Data())
	f.must(err)
	f.must(f.store.Flush(f.Context(), s.ID(), got.Data(), f.clock.t, f.clock.t.Add(time.Hour)))
	_, err = f.store.Update(f.Context(), s.ID(), new(sessile.Changes).Set("n", 1))
	f.must(err)
}

func TestDataOfAnyDepthThatIsAcceptedCanBeRead(t *testing.T) {
	suiteWith(t, func(cfg *sessile.Config) { cfg.TTL = 2 * time.Hour }, func(f *fixture) {
		for name, put := range entrances(f) {
			s, tok := f.login("ann")
			for _, tooDeep := range []int{maxDepth + 1, maxDepth + 100} {
				err := put(s.ID(), tooDeep)
				f.wantErr(err, sessile.ErrInvalidData)
				if !strings.Contains(err.Error(), "nested too deep") && !strings.Contains(err.Error(), "cannot be encoded") {
					t.Errorf("%s of %d: %v", name, tooDeep, err)
				}
				f.must(f.store.Sync(f.Context()))
				if got := f.alive(tok); got.Data().Len() != len("{}") {
					t.Errorf("%s of %d left %d bytes", name, tooDeep, got.Data().Len())
				}
			}
			if err := put(s.ID(), maxDepth); err != nil {
				t.Errorf("%s of %d: %v", name, maxDepth, err)
				continue
			}
			if !strings.HasPrefix(name, "Create") {
				f.readable(s)
			}
		}
	})
}

func TestDataTooDeepIsAnErrorWithItsLimit(t *testing.T) {
	for _, v := range []any{nested(10_001), nestedGo(10_001), map[string]any{"a": nestedGo(10_000)}} {
		_, err := object.Encode(v, object.MaxValueDepth)
		if !errors.Is(err, sessile.ErrInvalidData) || !strings.Contains(err.Error(), "nested too deep: 10001 levels (limit 9999)") {
			t.Errorf("%T: %v", v, err)
		}
	}
	_, err := sessile.EncodeData(map[string]any{"a": nestedGo(10_000)}, 1<<20)
	if !errors.Is(err, sessile.ErrInvalidData) || !strings.Contains(err.Error(), "nested too deep: 10001 levels (limit 10000)") {
		t.Error(err)
	}
	// Brackets in strings are none.
	if _, err := object.Encode([]string{strings.Repeat(`[\"{`, 10_000)}, object.MaxValueDepth); err != nil {
		t.Error(err)
	}
}

// coldStore keeps nothing but the last session in memory.
func coldStore(tb testing.TB) *sessile.Store {
	tb.Helper()
	s, err := sessile.Open(tb.Context(), sessile.Config{Path: tb.TempDir() + "/s.db", CacheSize: 1, MaxSessionsPerUser: 1, MaxGuests: 4})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// FuzzDataSurvivesAColdRead: byte for byte, as it was before.
func FuzzDataSurvivesAColdRead(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"a":2}`, `{"":0}`, `{"\ud800":1,"\udfff":2}`, `{"a":"\ud83d"}`, `{"a":1e999,"b":-0,"c":1152921504606846977}`, "{\"a\":\"\xff\"}",
		`{"` + strings.Repeat("k", 300) + `":[[[]]]}`, "{\"\u2028\":\"\u202e\"}", `{"\u0000":"\u0000"}`, ` { "k" : [ true , {} ] } `, `{"<&>":null}`,
	} {
		f.Add([]byte(s), "a", []byte(`1e999`))
	}
	f.Add([]byte(`{}`), "\u2028", []byte(`"\ud800"`))
	store := coldStore(f)
	f.Fuzz(func(t *testing.T, raw []byte, key string, value []byte) {
		s, _, err := store.Create(t.Context(), sessile.Meta{}, "ann", json.RawMessage(raw))
		if err != nil {
			if !errors.Is(err, sessile.ErrInvalidData) && !errors.Is(err, sessile.ErrDataTooLarge) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		sameWhenCold(t, store, s)
		s, err = store.Update(t.Context(), s.ID(), new(sessile.Changes).Set(key, json.RawMessage(value)))
		if err == nil {
			sameWhenCold(t, store, s)
		} else if !errors.Is(err, sessile.ErrInvalidData) && !errors.Is(err, sessile.ErrDataTooLarge) {
			t.Fatalf("%q, %q: %v", key, value, err)
		}
	})
}

// sameWhenCold fails unless a session is read from the disk as it was in memory.
func sameWhenCold(t *testing.T, store *sessile.Store, s sessile.Session) {
	t.Helper()
	if err := store.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	reads := store.Stats().ColdReads
	for range 2 { // another one takes the place in memory
		if _, _, err := store.CreateWith(t.Context(), sessile.NewSession{Guest: true}); err != nil {
			t.Fatal(err)
		}
	}
	cold, err := store.Read(t.Context(), s.ID())
	if err != nil {
		t.Fatalf("%q: %v", s.Data().JSON(), err)
	}
	if store.Stats().ColdReads == reads {
		t.Fatal("the session was in memory still")
	}
	if string(cold.Data().JSON()) != string(s.Data().JSON()) || strings.Join(cold.Data().Keys(), "|") != strings.Join(s.Data().Keys(), "|") {
		t.Fatalf("%q became %q", s.Data().JSON(), cold.Data().JSON())
	}
	for _, key := range s.Data().Keys() {
		hot, _, err1 := sessile.Get[json.RawMessage](s, key)
		got, ok, err2 := sessile.Get[json.RawMessage](cold, key)
		_, _, err3 := sessile.Get[any](cold, key)
		if err1 != nil || err2 != nil || err3 != nil || !ok || string(hot) != string(got) {
			t.Fatalf("%q: %q became %q, %t, %v, %v, %v", key, hot, got, ok, err1, err2, err3)
		}
	}
}
