package sessile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/sessile/sessile/internal/object"
)

// Data is the data of a session: an immutable JSON object that all requests of the session share.
// The zero value is {}. [Get] reads a key, and [Store.Update] changes it.
//
// Data prints only as its size. The content is available through JSON, Decode and JSON encoding;
// see [Data.MarshalJSON]. In an unexported field it prints as an address.
type Data struct{ obj **object.Object } // a pointer to a pointer: fmt prints it as an address, with every verb

func (d Data) object() *object.Object {
	if d.obj == nil || *d.obj == nil {
		return object.Empty()
	}
	return *d.obj
}

// JSON returns a copy of the object, compact and with sorted keys.
func (d Data) JSON() json.RawMessage { return bytes.Clone(d.object().JSON()) }

// Len returns the length of the JSON in bytes.
func (d Data) Len() int { return d.object().Len() }

// Keys returns the keys in sorted order. It returns none if the stored bytes are damaged.
func (d Data) Keys() []string {
	keys, err := d.object().Keys()
	if err != nil {
		return nil
	}
	return keys
}

// Decode decodes the whole object into v, a pointer. A number in an any becomes a [json.Number],
// which keeps its exact value. Damaged stored bytes return [ErrCorrupt]. No error contains the
// data.
func (d Data) Decode(v any) error {
	if _, err := d.object().Keys(); err != nil {
		return fmt.Errorf("decoding session data: %w", ErrCorrupt)
	}
	if err := object.Unmarshal(d.object().JSON(), v); err != nil {
		return fmt.Errorf("decoding session data into %T: %w", v, err)
	}
	return nil
}

// MarshalJSON returns the object. A logger that encodes values as JSON by reflection therefore
// writes the content. Log the [Session] instead: its JSON leaves the data out. Damaged stored bytes
// return [ErrCorrupt].
func (d Data) MarshalJSON() ([]byte, error) {
	if _, err := d.object().Keys(); err != nil {
		return nil, fmt.Errorf("encoding session data: %w", ErrCorrupt)
	}
	return d.JSON(), nil
}

// UnmarshalJSON returns an error, because only a store makes Data. It accepts null.
func (*Data) UnmarshalJSON(raw []byte) error { return refuseJSON(raw, "session data") }

// refuseJSON refuses everything but null, which package json expects to change nothing.
func refuseJSON(raw []byte, what string) error {
	if string(raw) == "null" {
		return nil
	}
	return fmt.Errorf("%s cannot be decoded from JSON: only a store makes it", what)
}

// String returns the size.
func (d Data) String() string { return "Data(" + strconv.Itoa(d.Len()) + " bytes)" }

// GoString returns the same as String.
func (d Data) GoString() string { return d.String() }

// Format prints String for every verb.
func (d Data) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue returns String for slog.
func (d Data) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Get returns the value of one key of the session's data. The value belongs to the caller.
//
//   - A missing key returns the zero value, false and no error.
//   - A value that does not decode into T returns the zero value, true and [ErrWrongType]. The error
//     does not contain the value.
//   - Damaged stored data returns [ErrCorrupt].
//
// A number in an any becomes a [json.Number], also inside a map, a slice or a struct, because a
// float64 would round integers above 2^53.
func Get[T any](s Session, key string) (T, bool, error) {
	raw, ok, err := s.Data().object().Get(key)
	if err != nil || !ok {
		var zero T
		if err != nil {
			err = fmt.Errorf("session data: %w", ErrCorrupt)
		}
		return zero, false, err
	}
	v, err := object.Decode[T](raw)
	if err != nil {
		err = fmt.Errorf("session data: key %q as %T: %w", key, v, err)
	}
	return v, true, err
}
