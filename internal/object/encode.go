package object

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// ErrInvalidValue means that a value does not encode to JSON in valid UTF-8.
var ErrInvalidValue = errors.New("invalid session data")

// MaxValueDepth is the maximum nesting depth of a value in an object. It keeps the whole object
// decodable.
const MaxValueDepth = MaxDepth - 1

// Encode encodes v as compact JSON without escaping HTML characters. deepest is the maximum nesting
// depth: MaxDepth for a whole object, MaxValueDepth for a value in one. Invalid UTF-8 is an error and
// is not repaired. The error wraps [ErrInvalidValue] and quotes nothing of v.
func Encode(v any, deepest int) (json.RawMessage, error) {
	switch v := v.(type) {
	case string:
		if plainText(v) {
			return json.RawMessage(`"` + v + `"`), nil
		}
	case json.RawMessage:
		if v != nil {
			if err := shallow(v, deepest); err != nil { // before package json, which has its own limit
				return nil, err
			}
			return compacted(v)
		}
	}
	raw, err := encodeAny(v)
	if err == nil {
		err = shallow(raw, deepest)
	}
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// shallow returns an error if raw is nested deeper than deepest.
func shallow(raw []byte, deepest int) error {
	if len(raw) <= 2*deepest { // each level takes two characters
		return nil
	}
	if depth := Depth(raw); depth > deepest {
		return fmt.Errorf("nested too deep: %d levels (limit %d): %w", depth, deepest, ErrInvalidValue)
	}
	return nil
}

// plainText reports whether the JSON string of s is s in quotes (measured: 60 ns for a short string;
// the encoder takes 250 ns).
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// compacted returns a copy of raw without white space.
func compacted(raw json.RawMessage) (json.RawMessage, error) {
	if n := len(raw); n >= 2 && raw[0] == '"' && raw[n-1] == '"' && plainText(string(raw[1:n-1])) {
		return bytes.Clone(raw), nil
	}
	var b bytes.Buffer
	if !utf8.Valid(raw) || json.Compact(&b, raw) != nil {
		return nil, fmt.Errorf("no JSON: %w", ErrInvalidValue)
	}
	return b.Bytes(), nil
}

// encodeAny encodes v with package json.
func encodeAny(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		if typ, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
			return nil, fmt.Errorf("type %s cannot be encoded: %w", typ.Type, ErrInvalidValue)
		}
		return nil, fmt.Errorf("%T cannot be encoded: %w", v, ErrInvalidValue)
	}
	raw := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !utf8.Valid(raw) { // a nested json.RawMessage is not checked by the encoder
		return nil, fmt.Errorf("invalid UTF-8: %w", ErrInvalidValue)
	}
	// The encoder replaces invalid UTF-8 in a string by this escape, which it writes in no other
	// case. But a json.RawMessage may contain it too.
	if bytes.Contains(raw, []byte(`\ufffd`)) && !validStrings(reflect.ValueOf(v)) {
		return nil, fmt.Errorf("invalid UTF-8: %w", ErrInvalidValue)
	}
	return raw, nil
}

// validStrings reports whether every string that the encoder takes from v is valid UTF-8. v has been
// encoded, so it has no cycles and only simple keys.
func validStrings(v reflect.Value) bool {
	if v.IsValid() && encodesItself(v.Type()) {
		return true // it encodes itself, and may have cycles that it handles
	}
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || validStrings(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return true // base64
		}
		for i := range v.Len() {
			if !validStrings(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for k, e := range v.Seq2() {
			if !validStrings(k) || !validStrings(e) {
				return false
			}
		}
	case reflect.Struct:
		return validFields(v)
	default:
	}
	return true
}

func encodesItself(t reflect.Type) bool {
	for _, m := range [...]reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(m) || reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	return false
}

// validFields is validStrings for the fields that the encoder reads.
func validFields(v reflect.Value) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("json") == "-" || (!f.IsExported() && !f.Anonymous) {
			continue
		}
		if !validStrings(v.Field(i)) {
			return false
		}
	}
	return true
}
