package object_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sessile/sessile/internal/object"
)

func TestParseMakesTheCanonicalForm(t *testing.T) {
	for in, want := range map[string]string{
		` { "b" : 1 , "a" : [ 1, 2 ] } `: `{"a":[1,2],"b":1}`,
		`{"a":1,"a":2}`:                  `{"a":2}`,
		`{}`:                             `{}`,
		`{"<&>":"<&>"}`:                  `{"<&>":"<&>"}`,
		`{"\u00e9":null}`:                `{"é":null}`,
		`{"":0}`:                         `{"":0}`,
	} {
		o, err := object.Parse([]byte(in))
		if err != nil || string(o.JSON()) != want || o.Len() != len(want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestParseRefusesWhatIsNotAnObject(t *testing.T) { // A8, S46
	for _, in := range []string{
		``, `null`, `[]`, `"x"`, `1`, `true`, `{`, `{}{}`, `{} x`, `{"a":}`, `{'a':1}`, "{\"a\":\"\xff\"}", `{"a":01}`,
		strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000),
		strings.Repeat(`{"a":`, object.MaxDepth+1) + "1" + strings.Repeat("}", object.MaxDepth+1),
	} {
		if o, err := object.Parse([]byte(in)); !errors.Is(err, object.ErrInvalid) {
			t.Errorf("%.20q was taken: %v %v", in, o, err)
		}
	}
	stored := object.FromStored([]byte(`[1]`))
	if _, _, err := stored.Get("a"); !errors.Is(err, object.ErrInvalid) {
		t.Errorf("Get: %v", err)
	}
	if _, err := stored.Keys(); !errors.Is(err, object.ErrInvalid) {
		t.Errorf("Keys: %v", err)
	}
	if _, err := stored.With(nil); !errors.Is(err, object.ErrInvalid) {
		t.Errorf("With: %v", err)
	}
}

// TestWithAgreesWithAMap compares With with a plain map.
func TestWithAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, model := object.Empty(), map[string]json.RawMessage{}
		for range rapid.IntRange(0, 8).Draw(t, "rounds") {
			var changes []object.Change
			before, old := maps.Clone(model), o
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				c := object.Change{Key: rapid.String().Draw(t, "key")}
				if !utf8.ValidString(c.Key) {
					continue
				}
				if rapid.Bool().Draw(t, "set") {
					c.Value, _ = json.Marshal(rapid.String().Draw(t, "value"))
					model[c.Key] = c.Value
				} else {
					delete(model, c.Key)
				}
				changes = append(changes, c)
			}
			var err error
			if o, err = o.With(changes); err != nil {
				t.Fatal(err)
			}
			check(t, o, model)
			check(t, old, before) // an Object never changes
		}
	})
}

func check(t *rapid.T, o *object.Object, model map[string]json.RawMessage) {
	t.Helper()
	var got map[string]json.RawMessage
	if err := json.Unmarshal(o.JSON(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(model) || len(model) > 0 && !reflect.DeepEqual(got, model) || o.Len() != len(o.JSON()) {
		t.Fatalf("%s, length %d, want %v", o.JSON(), o.Len(), model)
	}
	again := object.FromStored(o.JSON())
	for k, v := range model {
		if raw, ok, err := again.Get(k); err != nil || !ok || string(raw) != string(v) {
			t.Fatalf("%q is %s, %v, %v", k, raw, ok, err)
		}
	}
}

func TestObjectServesConcurrentReaders(t *testing.T) { // A26, S43
	stored := object.FromStored([]byte(`{"a":1,"b":{"c":[1,2,3]}}`))
	made, err := stored.With([]object.Change{{Key: "z", Value: []byte("0")}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for _, o := range []*object.Object{stored, made} {
				if _, ok, err := o.Get("b"); !ok || err != nil {
					t.Error(ok, err)
				}
				if len(o.JSON()) != o.Len() {
					t.Error("length")
				}
			}
		})
	}
	all.Wait()
}

func FuzzObject(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{}`, `{"a":{"b":[null,true,1e9,"\u0000"]}}`, `{"a":1,"a":2}`, `[`, "\xff", `{"\ud800":1}`} {
		f.Add([]byte(s), "a", []byte(`"x"`))
	}
	f.Fuzz(func(t *testing.T, raw []byte, key string, value []byte) {
		o, err := object.Parse(raw)
		var want map[string]json.RawMessage // what package json finds
		if jsonErr := json.Unmarshal(raw, &want); (jsonErr == nil && want != nil && utf8.Valid(raw)) != (err == nil) {
			t.Fatalf("%v, package json: %v", err, jsonErr)
		}
		if err != nil {
			return
		}
		for k, v := range want {
			var compact bytes.Buffer
			if err := json.Compact(&compact, v); err != nil {
				t.Fatal(err)
			}
			if got, ok, err := o.Get(k); err != nil || !ok || !bytes.Equal(got, compact.Bytes()) {
				t.Fatalf("%q is %s, package json: %s", k, got, v)
			}
		}
		if keys, err := o.Keys(); err != nil || len(keys) != len(want) {
			t.Fatalf("%d keys, package json: %d", len(keys), len(want))
		}
		again, err := object.Parse(o.JSON())
		if err != nil || string(again.JSON()) != string(o.JSON()) || o.Len() != len(o.JSON()) {
			t.Fatalf("the canonical form is not stable: %s", o.JSON())
		}
		if !json.Valid(value) || !utf8.ValidString(key) {
			return
		}
		next, err := o.With([]object.Change{{Key: key, Value: value}})
		if err != nil || !json.Valid(next.JSON()) || next.Len() != len(next.JSON()) {
			t.Fatalf("With: %v, %s", err, next.JSON())
		}
	})
}

func BenchmarkWith(b *testing.B) {
	doc := map[string]int{}
	for i := range 20 {
		doc[strings.Repeat("k", i+1)] = i
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		b.Fatal(err)
	}
	o := object.FromStored(raw)
	change := []object.Change{{Key: "kkkkk", Value: []byte("42")}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.With(change); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWithReleasesTheBytesOfOldValues: a small object does not keep a large one in memory, whether that
// one was stored or changed. Its content stays correct.
func TestWithReleasesTheBytesOfOldValues(t *testing.T) {
	large := json.RawMessage(`"` + strings.Repeat("x", 60_000) + `"`)
	with := func(o *object.Object, c ...object.Change) *object.Object {
		t.Helper()
		next, err := o.With(c)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	made := with(object.Empty(), object.Change{Key: "large", Value: large}, object.Change{Key: "ü", Value: json.RawMessage("1")})
	for name, o := range map[string]*object.Object{"made": made, "stored": object.FromStored(bytes.Clone(made.JSON()))} {
		small := with(o, object.Change{Key: "large"}, object.Change{Key: "b", Value: json.RawMessage("2")})
		if string(small.JSON()) != `{"b":2,"ü":1}` || small.Len() != len(small.JSON()) || small.Cost() > 1000 {
			t.Errorf("%s: %s costs %d bytes", name, small.JSON(), small.Cost())
		}
		v, ok, err := small.Get("ü")
		if err != nil || !ok || string(v) != "1" {
			t.Errorf("%s: ü is %s, %t, %v", name, v, ok, err)
		}
		if again := with(small, object.Change{Key: "c", Value: json.RawMessage("3")}); string(again.JSON()) != `{"b":2,"c":3,"ü":1}` {
			t.Errorf("%s: %s", name, again.JSON())
		}
	}
	o := made
	for i := range 1000 { // replaced values do not accumulate
		if o = with(o, object.Change{Key: "large", Value: bytes.Clone(large)}); o.Cost() > 4*len(large) {
			t.Fatalf("after %d changes it costs %d bytes", i+1, o.Cost())
		}
	}
}

// TestCostCountsTheMembersOfWhatIsStored counts only top-level members.
func TestCostCountsTheMembersOfWhatIsStored(t *testing.T) {
	flat := object.FromStored([]byte(`{"a":1,"b":"x:y","c":"\":{"}`)).Cost()
	nested := object.FromStored([]byte(`{"a":{"b":1,"c":[{"d":2}]} }`)).Cost()
	if none := object.FromStored([]byte(`[1,2,3,4,5,6,7,8,9,10,11,12]`)).Cost(); flat-28 != 3*(nested-28) || none != 28 {
		t.Errorf("%d with three members, %d with one, %d with none", flat, nested, none)
	}
}
