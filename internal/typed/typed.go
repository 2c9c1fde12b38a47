// Package typed encodes Go values as JSON that remembers their Go types, for the packages under
// compat. The libraries that they replace encode with gob, which restores the type of a value in an
// interface.
//
// A string, a bool, an int and a float64 become plain JSON, so that other code can read them. A
// float64 always has a point or an exponent, and an int never. Another type becomes an object that
// names it:
//
//	{"$type":"time.Time","value":"2026-01-02T03:04:05Z"}
//
// Only types that the program has registered are restored, as with gob. The package knows no
// sessions.
package typed

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sessile/sessile/internal/object"
)

// ErrUnknownType means that a value's type is not registered.
var ErrUnknownType = errors.New("type is not registered")

// typeKey marks an object that names the type of its value.
const typeKey = "$type"

// Types are the types that values may have. The zero value knows the basic types, time.Time, and
// slices of basic types. It is safe for concurrent use.
type Types struct {
	mu    sync.RWMutex
	known map[string]reflect.Type
}

// wrapped is a value whose type JSON cannot tell.
type wrapped struct {
	Type  string          `json:"$type"`
	Value json.RawMessage `json:"value"`
}

// Register makes the type of v known. Register pointers and values separately.
func (t *Types) Register(v any) {
	typ := reflect.TypeOf(v)
	if typ == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[string]reflect.Type)
	}
	t.known[nameOf(typ)] = typ
}

// Encode returns the JSON of v. Its error is an [ErrUnknownType] or says why v does not encode. It
// does not contain v.
func (t *Types) Encode(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case nil, string, bool, int:
		return object.Encode(v, object.MaxValueDepth)
	case float64:
		return encodeFloat(v)
	case []any:
		return t.encodeSlice(v)
	case map[string]any:
		return t.encodeMap(v)
	}
	typ := reflect.TypeOf(v)
	if !t.knows(typ) {
		return nil, fmt.Errorf("%w: %s", ErrUnknownType, typ)
	}
	raw, err := object.Encode(v, object.MaxValueDepth-1)
	if err != nil {
		return nil, fmt.Errorf("value of type %s: %w", typ, err)
	}
	return object.Encode(wrapped{nameOf(typ), raw}, object.MaxValueDepth)
}

func encodeFloat(v float64) (json.RawMessage, error) {
	raw, err := object.Encode(v, object.MaxValueDepth)
	if err == nil && !strings.ContainsAny(string(raw), ".e") {
		raw = append(raw, ".0"...)
	}
	return raw, err
}

func (t *Types) encodeSlice(list []any) (json.RawMessage, error) {
	all := make([]json.RawMessage, len(list))
	for i, v := range list {
		raw, err := t.Encode(v)
		if err != nil {
			return nil, err
		}
		all[i] = raw
	}
	return object.Encode(all, object.MaxValueDepth)
}

func (t *Types) encodeMap(m map[string]any) (json.RawMessage, error) {
	all := make(map[string]json.RawMessage, len(m))
	for key, v := range m {
		raw, err := t.Encode(v)
		if err != nil {
			return nil, err
		}
		all[key] = raw
	}
	raw, err := object.Encode(all, object.MaxValueDepth-1)
	if _, ambiguous := m[typeKey]; err == nil && ambiguous {
		return object.Encode(wrapped{nameOf(reflect.TypeFor[map[string]any]()), raw}, object.MaxValueDepth)
	}
	return raw, err
}

// Decode returns the value of JSON from Encode, or of other JSON: numbers become int or float64,
// arrays []any, and objects map[string]any. Its error does not contain the value.
func (t *Types) Decode(raw json.RawMessage) (any, error) {
	switch first(raw) {
	case '[':
		return t.decodeSlice(raw)
	case '{':
		return t.decodeObject(raw)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if n, err := strconv.Atoi(string(raw)); err == nil {
			return n, nil
		}
		return object.Decode[float64](raw)
	case '"':
		return object.Decode[string](raw)
	case 't', 'f':
		return object.Decode[bool](raw)
	default:
		return nil, nil //nolint:nilnil // null is a value
	}
}

func first(raw json.RawMessage) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

func (t *Types) decodeSlice(raw json.RawMessage) (any, error) {
	all, err := object.Decode[[]json.RawMessage](raw)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(all))
	for i, raw := range all {
		if list[i], err = t.Decode(raw); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (t *Types) decodeObject(raw json.RawMessage) (any, error) {
	all, err := object.Decode[map[string]json.RawMessage](raw)
	if err != nil {
		return nil, err
	}
	if _, named := all[typeKey]; named {
		return t.decodeWrapped(raw)
	}
	return t.decodeMap(all)
}

func (t *Types) decodeMap(all map[string]json.RawMessage) (any, error) {
	m := make(map[string]any, len(all))
	for key, raw := range all {
		v, err := t.Decode(raw)
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	return m, nil
}

func (t *Types) decodeWrapped(raw json.RawMessage) (any, error) {
	w, err := object.Decode[wrapped](raw)
	if err != nil {
		return nil, err
	}
	if w.Type == nameOf(reflect.TypeFor[map[string]any]()) {
		all, err := object.Decode[map[string]json.RawMessage](w.Value)
		if err != nil {
			return nil, err
		}
		return t.decodeMap(all)
	}
	typ, ok := t.named(w.Type)
	if !ok {
		return nil, fmt.Errorf("%w: %.100s", ErrUnknownType, w.Type)
	}
	v := reflect.New(typ)
	if err := object.Unmarshal(w.Value, v.Interface()); err != nil {
		return nil, err
	}
	return v.Elem().Interface(), nil
}

func (t *Types) knows(typ reflect.Type) bool {
	_, ok := t.named(nameOf(typ))
	return ok
}

func (t *Types) named(name string) (reflect.Type, bool) {
	if typ, ok := basic(name); ok {
		return typ, true
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	typ, ok := t.known[name]
	return typ, ok
}

// basic returns a type that needs no registration.
func basic(name string) (reflect.Type, bool) {
	for _, v := range [...]any{
		int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), float32(0),
		[]string(nil), []bool(nil), []byte(nil), []int(nil), []int32(nil), []int64(nil), []float64(nil),
		map[string]string(nil), time.Time{}, time.Duration(0),
	} {
		if typ := reflect.TypeOf(v); nameOf(typ) == name {
			return typ, true
		}
	}
	return nil, false
}

// nameOf returns the name of a type with its whole import path, which gob uses too.
func nameOf(typ reflect.Type) string {
	switch {
	case typ.Name() != "" && typ.PkgPath() != "":
		return typ.PkgPath() + "." + typ.Name()
	case typ.Kind() == reflect.Pointer && typ.Name() == "":
		return "*" + nameOf(typ.Elem())
	default:
		return typ.String()
	}
}
