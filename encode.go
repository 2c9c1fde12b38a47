package sessile

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/sessile/sessile/internal/object"
)

// encodeData encodes what a caller passes as a session's data: nil, and what
// encodes to null, is {}. Errors: ErrInvalidData, ErrDataTooLarge over most bytes.
func encodeData(v any, most int) (*object.Object, error) {
	if v == nil {
		return object.Empty(), nil
	}
	raw, err := encode(v, object.MaxDepth)
	if err != nil {
		return nil, fmt.Errorf("session data: %w", err)
	}
	if string(raw) == "null" {
		return object.Empty(), nil
	}
	if len(raw) > most { // S45: before anything is done with it
		return nil, fmt.Errorf("%d bytes are more than %d: %w", len(raw), most, ErrDataTooLarge)
	}
	obj, err := object.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("session data is no JSON object: %w", ErrInvalidData)
	}
	return obj, nil
}

// Encode encodes a value of a session's data as [Changes.Set] does: compactly, with
// the characters of HTML as they are. Bad UTF-8 is an error rather than repaired.
// Arrays and objects may be nested 9,999 deep: in the object of the data that is the
// most that can be read again. The error is [ErrInvalidData] and quotes nothing of the
// value.
func Encode(v any) (json.RawMessage, error) { return encode(v, object.MaxDepth-1) }

// encode is Encode for what is nested at most deepest deep.
func encode(v any, deepest int) (json.RawMessage, error) {
	switch v := v.(type) {
	case string:
		if plain(v) {
			return json.RawMessage(`"` + v + `"`), nil
		}
	case json.RawMessage:
		if v != nil {
			if err := shallow(v, deepest); err != nil { // before package json, which has a bound of its own
				return nil, err
			}
			return compact(v)
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

// shallow refuses what is nested more than deepest deep.
func shallow(raw []byte, deepest int) error {
	if len(raw) <= 2*deepest { // each level is two characters
		return nil
	}
	if depth := object.Depth(raw); depth > deepest {
		return fmt.Errorf("nested %d deep, more than %d: %w", depth, deepest, ErrInvalidData)
	}
	return nil
}

// plain reports whether a JSON string is s in quotes (measured: 60 ns for a short
// one, where the encoder takes 250).
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// compact is a copy of raw without white space.
func compact(raw json.RawMessage) (json.RawMessage, error) {
	if n := len(raw); n >= 2 && raw[0] == '"' && raw[n-1] == '"' && plain(string(raw[1:n-1])) {
		return bytes.Clone(raw), nil
	}
	var b bytes.Buffer
	if !utf8.Valid(raw) || json.Compact(&b, raw) != nil {
		return nil, fmt.Errorf("no JSON: %w", ErrInvalidData)
	}
	return b.Bytes(), nil
}

// encodeAny leaves the encoding to package json.
func encodeAny(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		if typ, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
			return nil, fmt.Errorf("type %s does not encode: %w", typ.Type, ErrInvalidData)
		}
		return nil, fmt.Errorf("%T does not encode: %w", v, ErrInvalidData)
	}
	raw := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if !utf8.Valid(raw) { // a json.RawMessage inside passes through unseen
		return nil, fmt.Errorf("bad UTF-8: %w", ErrInvalidData)
	}
	// The encoder replaces bad UTF-8 in a string by this escape, which it never
	// writes otherwise; but a json.RawMessage may have brought it.
	if bytes.Contains(raw, []byte(`\ufffd`)) && !validStrings(reflect.ValueOf(v)) {
		return nil, fmt.Errorf("bad UTF-8: %w", ErrInvalidData)
	}
	return raw, nil
}

// validStrings reports whether every string that the encoder takes from v is
// UTF-8. v has been encoded, so it has no cycles and no keys but simple ones.
func validStrings(v reflect.Value) bool {
	if v.IsValid() && encodesItself(v.Type()) {
		return true // its business; it may have cycles that it knows to cut
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

// validFields is validStrings for the fields that the encoder looks at.
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
