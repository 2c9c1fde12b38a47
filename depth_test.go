package sessile_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/internal/object"
)

func TestDataTooDeepIsAnErrorWithItsLimit(t *testing.T) {
	for _, v := range []any{behaviour.NestedJSON(10_001), behaviour.NestedValue(10_001), map[string]any{"a": behaviour.NestedValue(10_000)}} {
		_, err := object.Encode(v, object.MaxValueDepth)
		if !errors.Is(err, sessile.ErrInvalidData) || !strings.Contains(err.Error(), "nested too deep: 10001 levels (limit 9999)") {
			t.Errorf("%T: %v", v, err)
		}
	}
	_, err := sessile.EncodeData(map[string]any{"a": behaviour.NestedValue(10_000)}, 1<<20)
	if !errors.Is(err, sessile.ErrInvalidData) || !strings.Contains(err.Error(), "nested too deep: 10001 levels (limit 10000)") {
		t.Error(err)
	}
	// Brackets in strings do not count.
	if _, err := object.Encode([]string{strings.Repeat(`[\"{`, 10_000)}, object.MaxValueDepth); err != nil {
		t.Error(err)
	}
}

// coldStore keeps only the last session in memory.
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

// FuzzDataSurvivesAColdRead compares byte for byte.
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

// sameWhenCold fails the test unless a session read from the disk equals the one in memory.
func sameWhenCold(t *testing.T, store *sessile.Store, s sessile.Session) {
	t.Helper()
	if err := store.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	reads := store.Stats().ColdReads
	for range 2 { // evicts the session from memory
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
