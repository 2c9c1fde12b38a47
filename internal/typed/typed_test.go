package typed_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile/internal/typed"
)

type cart struct {
	Items []string
	Total int64
}

func TestTypesAreRestored(t *testing.T) {
	var types typed.Types
	types.Register(cart{})
	types.Register(&cart{})
	for _, v := range []any{
		nil, "", "text", true, 0, -7, math.MaxInt, 1.0, 0.5, 1e300, -2.0,
		int8(1), int16(2), int32(3), int64(4), uint(5), uint8(6), uint16(7), uint32(8), uint64(math.MaxUint64), float32(1.5),
		[]string{"a"}, []byte("bytes"), []int{1}, []bool{true}, map[string]string{"a": "b"},
		time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Hour,
		cart{[]string{"a"}, 1 << 60}, &cart{Total: 2},
		[]any{1, "a", 1.0, cart{Total: 3}, []any{}}, map[string]any{"a": 1, "b": int64(2)},
		map[string]any{"$type": "int64", "value": 1},
	} {
		raw, err := types.Encode(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		if got, err := types.Decode(raw); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%#v came back as %#v, %v: %s", v, got, err, raw)
		}
	}
}

func TestTypesOfPlainJSONAreTheNearest(t *testing.T) {
	var types typed.Types
	for raw, want := range map[string]any{
		`null`: nil, `"a"`: "a", `true`: true, `7`: 7, `7.0`: 7.0, `1e2`: 100.0, `99999999999999999999`: 1e20,
		`[1,"a"]`: []any{1, "a"}, `{"a":{"b":2}}`: map[string]any{"a": map[string]any{"b": 2}},
	} {
		if got, err := types.Decode(json.RawMessage(raw)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v", raw, got, err)
		}
	}
}

func TestTypesThatAreNotRegisteredAreRefused(t *testing.T) {
	var types typed.Types
	for name, v := range map[string]any{
		"struct": cart{Items: []string{"secret"}}, "pointer": &cart{}, "inside": []any{cart{}}, "in a map": map[string]any{"a": cart{}}, "channel": make(chan int),
	} {
		if _, err := types.Encode(v); !errors.Is(err, typed.ErrUnknownType) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := types.Decode(json.RawMessage(`{"$type":"os.File","value":{}}`)); !errors.Is(err, typed.ErrUnknownType) {
		t.Error(err)
	}
	for _, v := range []any{math.NaN(), "\xff", float32(math.Inf(1))} {
		if _, err := types.Encode(v); err == nil {
			t.Errorf("%v is encoded", v)
		}
	}
}

func TestTypesOfDamagedValuesAreErrors(t *testing.T) {
	var types typed.Types
	for _, raw := range []string{`{"$type":7}`, `{"$type":"int64","value":"x"}`, `{"$type":"int64"}`, `{"$type":"map[string]interface {}","value":7}`} {
		if v, err := types.Decode(json.RawMessage(raw)); err == nil {
			t.Errorf("%s: %#v", raw, v)
		}
	}
}
