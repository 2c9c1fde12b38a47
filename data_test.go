package sessile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

func stored(raw string) sessile.Session { return with(sessile.StoredData(raw)) }

// with returns a session that has only data.
func with(d sessile.Data) sessile.Session {
	return sessile.SessionOf(persist.Record{Identity: &persist.Identity{}}, d)
}

func TestGetReadsTypedValues(t *testing.T) {
	s := stored(`{"b":true,"e":"a\"\\\u00e9","f":1.5,"i":-7,"l":[1,2],"m":{"x":null},"n":null,"s":"plain é","t":"2026-05-04T03:02:01Z","w":12}`)
	expectGet(t, s, "s", "plain é")
	expectGet(t, s, "e", `a"\é`)
	expectGet(t, s, "b", true)
	expectGet(t, s, "i", -7)
	expectGet(t, s, "i", int64(-7))
	expectGet(t, s, "i", int8(-7))
	expectGet(t, s, "f", 1.5)
	expectGet(t, s, "w", 12.0)
	expectGet(t, s, "w", uint16(12))
	expectGet(t, s, "l", []int{1, 2})
	expectGet(t, s, "m", map[string]*int{"x": nil})
	expectGet(t, s, "t", someTime.Truncate(time.Second))
	expectGet(t, s, "n", "") // null is the zero value of everything
	expectGet(t, s, "n", 0)
	expectGet(t, s, "n", false)
	expectGet[any](t, s, "i", json.Number("-7"))
	expectGet(t, s, "i", json.RawMessage("-7"))
	type name string
	expectGet(t, s, "s", name("plain é"))
}

func expectGet[T any](t *testing.T, s sessile.Session, key string, want T) {
	t.Helper()
	if got, ok, err := sessile.Get[T](s, key); err != nil || !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%s as %T: %v, %t, %v; want %v", key, want, got, ok, err, want)
	}
}

func TestGetOfAMissingKeyIsNoError(t *testing.T) {
	for _, s := range []sessile.Session{{}, stored(`{}`), stored(`{"A":1,"":2}`)} {
		if v, ok, err := sessile.Get[int](s, "a"); v != 0 || ok || err != nil {
			t.Errorf("%v: %v, %t, %v", s.Data(), v, ok, err)
		}
	}
}

func TestGetOfAnotherTypeIsAnErrorWithoutTheValue(t *testing.T) { // S49
	s := stored(fmt.Sprintf(`{"big":92233720368547758070,"f":1.5,"k":{"a":%q},"s":%q,"t":true}`, marker, marker))
	refuse := func(key string, ok bool, err error, zero bool) {
		t.Helper()
		if err == nil || !ok || !zero || strings.Contains(err.Error(), marker[:8]) || strings.Contains(fmt.Sprintf("%+v", err), "9223") {
			t.Errorf("%s: zero %t, %t, %v", key, zero, ok, err)
		}
	}
	i, ok, err := sessile.Get[int](s, "s")
	refuse("s", ok, err, i == 0)
	i, ok, err = sessile.Get[int](s, "big")
	refuse("big", ok, err, i == 0)
	i, ok, err = sessile.Get[int](s, "f")
	refuse("f", ok, err, i == 0)
	b, ok, err := sessile.Get[bool](s, "s")
	refuse("s", ok, err, !b)
	str, ok, err := sessile.Get[string](s, "t")
	refuse("t", ok, err, str == "")
	at, ok, err := sessile.Get[time.Time](s, "s") // its own decoder quotes its input
	refuse("s", ok, err, at.IsZero())
	k, ok, err := sessile.Get[struct{ A int }](s, "k") // a half-decoded value is not handed out
	refuse("k", ok, err, k.A == 0)
	key, ok, err := sessile.Get[map[int]string](s, "k")
	refuse("k", ok, err, key == nil)
}

func TestGetOfDamagedDataIsErrCorrupt(t *testing.T) { // A8, S46
	for _, raw := range []string{"", "{", "[]", "null", `"x"`, `{"a":1}{}`, `{"a":1`, "\x00", marker, strings.Repeat("[", 100_000)} {
		s := stored(raw)
		if v, ok, err := sessile.Get[string](s, "a"); v != "" || ok || !errors.Is(err, sessile.ErrCorrupt) {
			t.Errorf("%.20q: %q, %t, %v", raw, v, ok, err)
		}
		var m map[string]any
		if err := s.Data().Decode(&m); !errors.Is(err, sessile.ErrCorrupt) || m != nil {
			t.Errorf("%.20q: decodes: %v", raw, err)
		}
		if out, err := json.Marshal(s.Data()); !errors.Is(err, sessile.ErrCorrupt) {
			t.Errorf("%.20q: encodes to %.20s, %v", raw, out, err)
		}
		if s.Data().Keys() != nil || s.Data().Len() != len(raw) {
			t.Errorf("%.20q: keys %v, length %d", raw, s.Data().Keys(), s.Data().Len())
		}
	}
}

func TestGetAgreesWithPackageJSON(t *testing.T) {
	for _, raw := range []string{
		`0`, `-0`, `1`, `-1`, `9223372036854775807`, `9223372036854775808`, `1e3`, `1E400`, `0.1`, `-0.0`, `5e-324`, `123456789012345678901234567890`,
		`true`, `false`, `null`, `""`, `"a"`, `"\n"`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", "\"a\u2028\"", `"1"`, `"true"`, `[]`, `{}`, `[1]`, `"😀"`,
	} {
		agree[string](t, raw)
		agree[bool](t, raw)
		agree[int](t, raw)
		agree[int64](t, raw)
		agree[float64](t, raw)
		agree[uint8](t, raw)
		agree[any](t, raw)
	}
}

func TestGetKeepsANumberExactWhereItsTypeIsNotSaid(t *testing.T) {
	s := stored(`{"l":[1152921504606846977],"m":{"k":{"n":1e999}},"n":1152921504606846977}`)
	n := json.Number("1152921504606846977")
	expectGet[any](t, s, "n", n)
	expectGet[any](t, s, "l", []any{n})
	expectGet(t, s, "l", []any{n})
	expectGet(t, s, "l", [1]any{n})
	expectGet(t, s, "m", map[string]any{"k": map[string]any{"n": json.Number("1e999")}})
	expectGet(t, s, "m", struct{ K any }{map[string]any{"n": json.Number("1e999")}})
	expectGet(t, s, "m", &struct{ K any }{map[string]any{"n": json.Number("1e999")}})
	expectGet(t, s, "n", int64(1<<60+1)) // named types decode as usual
	var whole map[string]any
	if err := s.Data().Decode(&whole); err != nil || !reflect.DeepEqual(whole["l"], []any{n}) {
		t.Errorf("%v, %v", whole, err)
	}
	if raw, err := object.Encode(whole, object.MaxValueDepth); err != nil || string(raw) != string(s.Data().JSON()) {
		t.Errorf("%s, %v", raw, err)
	}
	for _, raw := range []string{`1 2`, `{} x`, ``, `[`} {
		if v, err := object.Decode[map[string]any](json.RawMessage(raw)); err == nil {
			t.Errorf("%q decodes to %v", raw, v)
		}
	}
}

// agree compares Get with the slow way, which it must equal.
func agree[T any](t *testing.T, raw string) {
	t.Helper()
	var want T
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.UseNumber()
	wantErr := dec.Decode(&want)
	got, ok, err := sessile.Get[T](stored(`{"k":`+raw+`}`), "k")
	if !ok || (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q as %T: %v, %t, %v; json says %v, %v", raw, want, got, ok, err, want, wantErr)
	}
}

func TestGetOfPlainValuesAllocatesNothing(t *testing.T) {
	s := stored(`{"b":true,"f":2.5,"i":123456,"s":"some text"}`)
	expectAllocs := func(most float64, what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(100, f); n > most {
			t.Errorf("%s allocates %v times, want %v at most", what, n, most)
		}
	}
	expectAllocs(0, "int", func() { _, _, _ = sessile.Get[int](s, "i") })
	expectAllocs(0, "bool", func() { _, _, _ = sessile.Get[bool](s, "b") })
	expectAllocs(0, "float64", func() { _, _, _ = sessile.Get[float64](s, "f") })
	expectAllocs(1, "string", func() { _, _, _ = sessile.Get[string](s, "s") })
	expectAllocs(0, "a missing key", func() { _, _, _ = sessile.Get[string](s, "x") })
}

func TestDataIsTheCallersOwn(t *testing.T) { // S43, A26
	raw := `{"a":[1,2],"b":"x"}`
	d, err := sessile.EncodeData(json.RawMessage(raw), 100)
	if err != nil {
		t.Fatal(err)
	}
	s := with(d)
	whole := d.JSON()
	clear(whole)
	encoded, _ := d.MarshalJSON()
	clear(encoded)
	clear(d.Keys())
	part, _, _ := sessile.Get[json.RawMessage](s, "a")
	clear(part)
	list, _, _ := sessile.Get[[]int](s, "a")
	list[0] = 99
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	m["a"].([]any)[0], m["c"] = 99, 1
	if got := string(d.JSON()); got != raw {
		t.Errorf("data is %s, want it as it was: %s", got, raw)
	}
}

func TestDataDoesNotFollowWhatItWasMadeOf(t *testing.T) { // S43
	raw := json.RawMessage(`{"a":1}`)
	m := map[string]any{"a": []int{1}}
	d1, _ := sessile.EncodeData(raw, 100)
	d2, _ := sessile.EncodeData(m, 100)
	c := new(sessile.Changes).Set("k", raw).Set("m", m)
	clear(raw)
	m["a"].([]int)[0], m["b"] = 9, 9
	if got := string(d1.JSON()) + string(d2.JSON()); got != `{"a":1}{"a":[1]}` {
		t.Errorf("data is %s", got)
	}
	list, err := sessile.ListOf(c)
	if err != nil || string(list[0].Value)+string(list[1].Value) != `{"a":1}{"a":[1]}` {
		t.Errorf("changes are %s, %v", list, err)
	}
}

func TestDataIsSharedByManyReaders(t *testing.T) { // S43, under -race
	s := stored(`{"a":"x","b":2}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				a, _, err := sessile.Get[string](s, "a")
				b, _, err2 := sessile.Get[int](s, "b")
				if a != "x" || b != 2 || err != nil || err2 != nil || len(s.Data().JSON()) != 15 {
					t.Errorf("%q %d %v %v", a, b, err, err2)
				}
			}
		})
	}
	wg.Wait()
}

func TestDataZeroIsAnEmptyObject(t *testing.T) {
	var d sessile.Data
	out, err := json.Marshal(struct{ D sessile.Data }{d})
	if err != nil || string(out) != `{"D":{}}` || string(d.JSON()) != "{}" || d.Len() != 2 || len(d.Keys()) != 0 {
		t.Errorf("%s, %v; %s, %d, %v", out, err, d.JSON(), d.Len(), d.Keys())
	}
}

func TestDecodeReadsTheWholeObject(t *testing.T) {
	var v struct {
		A int
		B string
	}
	if err := sessile.StoredData(`{"a":1,"b":"x","c":null}`).Decode(&v); err != nil || v.A != 1 || v.B != "x" {
		t.Errorf("%+v, %v", v, err)
	}
	err := sessile.StoredData(`{"a":"` + marker + `"}`).Decode(&v)
	if err == nil || strings.Contains(err.Error(), marker) {
		t.Errorf("wrong type: %v", err)
	}
	for _, target := range []any{nil, v, (*int)(nil)} {
		if err := sessile.StoredData(`{}`).Decode(target); err == nil {
			t.Errorf("decoded into %T", target)
		}
	}
}

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New(marker) }

func TestEncodeDataTakesObjects(t *testing.T) {
	type user struct {
		Name string `json:"name"`
		Age  int    `json:"age,omitempty"`
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, `{}`}, {map[string]int(nil), `{}`}, {(*user)(nil), `{}`}, {json.RawMessage(nil), `{}`}, {json.RawMessage(" null "), `{}`},
		{map[string]any{}, `{}`}, {struct{}{}, `{}`}, {user{Name: "é<&>"}, `{"name":"é<&>"}`}, {&user{"x", 3}, `{"age":3,"name":"x"}`},
		{map[string]any{"b": nil, "a": []int{}}, `{"a":[],"b":null}`}, {map[int]bool{2: true}, `{"2":true}`},
		{json.RawMessage(" {\"b\" : 1 ,\n\"a\": [ ] }"), `{"a":[],"b":1}`}, {json.RawMessage(`{"a":1,"a":2}`), `{"a":2}`},
		{sessile.StoredData(`{"a":1}`), `{"a":1}`}, {sessile.Data{}, `{}`}, {map[string]any{"": 1}, `{"":1}`},
		{map[string]any{"x": "\ufffd", "y": json.RawMessage(`"\ufffd"`)}, `{"x":"` + "\ufffd" + `","y":"\ufffd"}`}, // honest replacement characters
	} {
		if d, err := sessile.EncodeData(c.v, 1000); err != nil || string(d.JSON()) != c.want || d.Len() != len(c.want) {
			t.Errorf("%T: %s, %v; want %s", c.v, d.JSON(), err, c.want)
		}
	}
}

func TestEncodeDataRefusesEverythingElse(t *testing.T) { // S46
	type node struct{ Next *node }
	cycle := &node{}
	cycle.Next = cycle
	bad := "\xff" + marker
	for name, v := range map[string]any{
		"string": marker, "number": 1, "list": []int{1}, "bool": true, "bytes": []byte(`{"a":1}`), "channel": make(chan int),
		"function in a map": map[string]any{"f": func() {}}, "cycle": cycle, "NaN": map[string]any{"a": math.NaN()}, "marshaler": failing{},
		"not JSON": json.RawMessage(`{"a":` + marker), "two objects": json.RawMessage(`{} {}`), "text": json.RawMessage(marker),
		"bad UTF-8 in RawMessage": json.RawMessage(`{"a":"` + bad + `"}`), "bad UTF-8 in a value": map[string]string{"a": bad},
		"bad UTF-8 in a key": map[string]any{bad: 1}, "bad UTF-8 deep": map[string]any{"a": []any{1, struct{ B *string }{&bad}}},
		"bad UTF-8 embedded": struct{ Inner }{Inner{bad}}, "bad UTF-8 in a list": struct{ L [1]string }{[1]string{bad}}, "corrupt": sessile.StoredData(marker),
	} {
		d, err := sessile.EncodeData(v, 1000)
		if !errors.Is(err, sessile.ErrInvalidData) || string(d.JSON()) != "{}" {
			t.Errorf("%s: %s, %v", name, d.JSON(), err)
		}
		if err != nil && strings.Contains(err.Error(), marker[:8]) {
			t.Errorf("%s: the error quotes the data: %v", name, err)
		}
	}
	if _, err := sessile.EncodeData(struct {
		Skipped string `json:"-"`
		hidden  string
		Shown   json.RawMessage // contains what makes the fast path doubtful of its own output
	}{bad, bad, json.RawMessage(`"\ufffd"`)}, 1000); err != nil {
		t.Errorf("bad UTF-8 where the encoder does not look: %v", err)
	}
}

// Inner is embedded.
type Inner struct{ S string }

func TestEncodeDataIsBounded(t *testing.T) { // S45
	v := map[string]string{"a": "1234567890"} // 18 bytes
	if _, err := sessile.EncodeData(v, 18); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	if _, err := sessile.EncodeData(v, 17); !errors.Is(err, sessile.ErrDataTooLarge) {
		t.Errorf("over the bound: %v", err)
	}
	if _, err := sessile.EncodeData(json.RawMessage(`{  "a"  :  "1234567890"  }`), 18); err != nil {
		t.Errorf("white space counts: %v", err)
	}
}

func TestChangesKeepTheLastOfEachKey(t *testing.T) {
	var c sessile.Changes
	c.Set("a", 1).Delete("b").Set("c", nil).Set("a", "<2>").Delete("c").Set("b", true)
	list, err := sessile.ListOf(&c)
	if err != nil || c.Len() != 3 || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	for i, want := range []string{`a "<2>"`, `b true`, `c <nil>`} {
		value := string(list[i].Value)
		if list[i].Value == nil {
			value = "<nil>"
		}
		if got := list[i].Key + " " + value; got != want {
			t.Errorf("change %d is %s, want %s", i, got, want)
		}
	}
	list[0].Key = "z"
	if again, _ := sessile.ListOf(&c); again[0].Key != "a" {
		t.Error("the list is not a copy")
	}
	c.Set("d", nil)
	if list, _ = sessile.ListOf(&c); string(list[3].Value) != "null" {
		t.Errorf("nil is %q, want null", list[3].Value)
	}
}

func TestChangesReportEverythingThatIsWrong(t *testing.T) {
	var c sessile.Changes
	c.Set("good", 1).Set("", 1).Set("fn", func() {}).Set("utf8", "\xff"+marker).Set("\xff", 1).Delete("").Set("own", failing{}).Set("fn", 1)
	list, err := sessile.ListOf(&c)
	if list != nil || !errors.Is(err, sessile.ErrInvalidData) || c.Len() != 8 || c.String() != "Changes(8 keys)" {
		t.Fatalf("%v, %v, %v", list, err, c)
	}
	for _, want := range []string{`key ""`, `key "fn"`, `key "utf8"`, `key "\xff"`, `key "own"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), marker) {
		t.Errorf("the error quotes the data: %v", err)
	}
}

func TestChangesMayBeEmpty(t *testing.T) {
	var none *sessile.Changes
	if list, err := sessile.ListOf(none); list != nil || err != nil || none.Len() != 0 {
		t.Errorf("%v, %v, %d", list, err, none.Len())
	}
	if list, err := sessile.ListOf(new(sessile.Changes)); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
}

func FuzzData(f *testing.F) { // A8, S46
	for _, s := range []string{
		`{}`, `{"a":"x"}`, `{"a":"\u00e9\n"}`, `{"a":1,"a":-0}`, `{"a":null}`, `{"a":1e400}`, "{\"a\":\"\xff\"}", `{"a":"\ufffd"}`,
		` { "k" : [ true , {} ] } `, `[]`, `null`, `{"a":12}x`,
	} {
		f.Add([]byte(s), "a")
	}
	f.Fuzz(func(t *testing.T, raw []byte, key string) {
		old := stored(string(raw))
		if _, _, err := sessile.Get[string](old, key); err == nil && json.Valid(raw) {
			checkGet(t, old, raw, key)
		}
		d, err := sessile.EncodeData(json.RawMessage(raw), 1<<10)
		if err != nil {
			if !errors.Is(err, sessile.ErrInvalidData) && !errors.Is(err, sessile.ErrDataTooLarge) {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if out := d.JSON(); !json.Valid(out) || out[0] != '{' || len(out) != d.Len() || !slices.IsSorted(d.Keys()) {
			t.Fatalf("%q became %q, length %d, keys %q", raw, out, d.Len(), d.Keys())
		}
		if again, err := sessile.EncodeData(d, 1<<10); err != nil || string(again.JSON()) != string(d.JSON()) {
			t.Fatalf("%q became %q, %v", d.JSON(), again.JSON(), err)
		}
	})
}

// checkGet compares every fast path with encoding/json.
func checkGet(t *testing.T, s sessile.Session, raw []byte, key string) {
	t.Helper()
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members[key] == nil {
		return
	}
	value := string(members[key])
	agree[string](t, value)
	agree[bool](t, value)
	agree[int](t, value)
	agree[int64](t, value)
	agree[float64](t, value)
	if got, ok, err := sessile.Get[json.RawMessage](s, key); !ok || err != nil || string(got) != value {
		t.Errorf("%q: %q, %t, %v", value, got, ok, err)
	}
}

func BenchmarkGet(b *testing.B) {
	s := stored(`{"b":true,"f":2.5,"i":123456,"s":"some text","z":{"a":1}}`)
	for name, f := range map[string]func(){
		"string": func() { _, _, _ = sessile.Get[string](s, "s") },
		"int":    func() { _, _, _ = sessile.Get[int](s, "i") },
		"bool":   func() { _, _, _ = sessile.Get[bool](s, "b") },
		"float":  func() { _, _, _ = sessile.Get[float64](s, "f") },
		"struct": func() { _, _, _ = sessile.Get[struct{ A int }](s, "z") },
		"named":  func() { _, _, _ = sessile.Get[int32](s, "i") }, // by package json
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
