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

// Data is a session's data: an immutable JSON object that all requests of the
// session share. The zero value is {}. Read it with [Get], change it with
// [Store.Update]. It prints as its size only; the ways to its content are the
// methods that say so, and JSON encoding (see [Data.MarshalJSON]).
type Data struct{ obj *object.Object }

func (d Data) object() *object.Object {
	if d.obj == nil {
		return object.Empty()
	}
	return d.obj
}

// JSON returns a copy of the object, compact, with sorted keys.
func (d Data) JSON() json.RawMessage { return bytes.Clone(d.object().JSON()) }

// Len returns the length of the JSON, bytes.
func (d Data) Len() int { return d.object().Len() }

// Keys returns the keys in order; none if the stored bytes are damaged.
func (d Data) Keys() []string {
	keys, err := d.object().Keys()
	if err != nil {
		return nil
	}
	return keys
}

// Decode decodes the whole object into v, a pointer. A number in an any is a
// [json.Number], so that it stays as it was set. Stored bytes that are damaged are
// [ErrCorrupt]; no error contains the data.
func (d Data) Decode(v any) error {
	if _, err := d.object().Keys(); err != nil {
		return fmt.Errorf("decoding session data: %w", ErrCorrupt)
	}
	if err := object.Unmarshal(d.object().JSON(), v); err != nil {
		return fmt.Errorf("decoding session data into %T: %w", v, err)
	}
	return nil
}

// MarshalJSON returns the object, so that data can be passed on. A logger that
// encodes a value as JSON by reflection therefore writes the content: log the
// [Session], whose JSON leaves it out. Damaged bytes are [ErrCorrupt].
func (d Data) MarshalJSON() ([]byte, error) {
	if _, err := d.object().Keys(); err != nil {
		return nil, fmt.Errorf("encoding session data: %w", ErrCorrupt)
	}
	return d.JSON(), nil
}

// String tells the size.
func (d Data) String() string { return "Data(" + strconv.Itoa(d.Len()) + " bytes)" }

// GoString tells the size.
func (d Data) GoString() string { return d.String() }

// Format tells the size, whatever the verb.
func (d Data) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue tells slog the size.
func (d Data) LogValue() slog.Value { return slog.StringValue(d.String()) }

// Get returns the value of a key of the session's data. A key that is not there
// is zero, false and no error; a value that does not fit T is zero, true and an
// error, which does not contain the value. A number in an any, also inside a map, a
// slice or a struct, is a [json.Number]: a float64 would round what is beyond 2^53.
// The object is split once a version and shared by all requests; what Get returns
// belongs to the caller.
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
