// Package object implements session data: an immutable JSON object that all requests of a session
// share. It is decoded at most once per version, on first use, and encoded at most once. Values stay
// in the JSON form in which they arrived. An Object is safe for concurrent use. The package knows
// nothing of sessions.
package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// ErrInvalid means that bytes are not one JSON object in valid UTF-8.
var ErrInvalid = errors.New("not a JSON object")

// MaxDepth is the maximum nesting depth of arrays and objects, including the object itself. It is
// the limit of package json.
const MaxDepth = 10_000

// Object is one version of a JSON object.
type Object struct {
	decode sync.Once
	encode sync.Once
	raw    []byte  // encoded form; if made by With, nil until requested
	fields []field // sorted by key; if made from bytes, nil until requested
	err    error   // from decoding
	size   int     // length of the encoded form
	stored bool    // made from bytes
	held   int     // if made by With: bytes that the fields keep in memory, including those of earlier versions
}

// field is one member. quoted is its key as JSON.
type field struct {
	key    string
	quoted []byte
	value  json.RawMessage
}

// Change sets a key to a JSON value, or deletes the key if Value is nil.
type Change struct {
	Key   string
	Value json.RawMessage
}

// Empty returns the object without members.
func Empty() *Object { return FromStored([]byte("{}")) }

// Parse returns the object that raw encodes. The encoded form of the result is compact and sorted
// by key. If a key occurs twice, the last value counts.
func Parse(raw []byte) (*Object, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("%w: invalid UTF-8", ErrInvalid)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, ErrInvalid // the decoder's error would quote the input
	}
	fields, err := split(bytes.Clone(compact.Bytes())) // clone to the exact size, because it is kept
	if err != nil {
		return nil, err
	}
	return fromFields(fields, compact.Len()), nil
}

// FromStored returns the object that raw encodes, without decoding it yet. It keeps raw, which must
// not change. If raw is not an object, methods that decode it return an error.
func FromStored(raw []byte) *Object { return &Object{raw: raw, size: len(raw), stored: true} }

// Valid reports whether raw encodes an object. It does not decode it.
func Valid(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' && json.Valid(raw) }

func fromFields(fields []field, held int) *Object {
	size := len("{}") + max(len(fields)-1, 0)
	for i := range fields {
		size += len(fields[i].quoted) + 1 + len(fields[i].value)
	}
	return &Object{fields: fields, size: size, held: held}
}

// quote encodes a key without escaping HTML characters.
func quote(key string) []byte {
	if quoted := append(append(append(make([]byte, 0, len(key)+2), '"'), key...), '"'); plain(quoted) && !strings.Contains(key, `"`) {
		return quoted // the usual case, with no extra memory
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(key) //nolint:errchkjson // a string always encodes
	return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// members decodes the object on first use.
func (o *Object) members() ([]field, error) {
	o.decode.Do(func() {
		if o.fields == nil && o.raw != nil {
			o.fields, o.err = split(o.raw)
		}
	})
	return o.fields, o.err
}

// JSON returns the encoded form. The caller must not modify it.
func (o *Object) JSON() []byte {
	o.encode.Do(func() {
		if o.raw != nil {
			return
		}
		b := append(make([]byte, 0, o.size), '{')
		for i, f := range o.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, f.quoted...), ':'), f.value...)
		}
		o.raw = append(b, '}')
	})
	return o.raw
}

// Len returns the length of the encoded form in bytes, without encoding.
func (o *Object) Len() int { return o.size }

// memberBytes is the memory of a decoded member besides its bytes: the field and its key.
const memberBytes = 80

// Cost estimates the memory in bytes that the object takes once it is decoded and encoded. It does
// neither.
func (o *Object) Cost() int {
	if o.stored {
		return o.size + memberBytes*count(o.raw)
	}
	return o.size + o.held + memberBytes*len(o.fields)
}

// Get returns the JSON value of a key. The caller must not modify it.
func (o *Object) Get(key string) (json.RawMessage, bool, error) {
	fields, err := o.members()
	if err != nil {
		return nil, false, err
	}
	i, found := search(fields, key)
	if !found {
		return nil, false, nil
	}
	return fields[i].value, true, nil
}

// Keys returns the keys in sorted order.
func (o *Object) Keys() ([]string, error) {
	fields, err := o.members()
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(fields))
	for i := range fields {
		keys[i] = fields[i].key
	}
	return keys, nil
}

// With returns a copy of the object with changes applied in order. It copies no values and encodes
// nothing, unless more than half of the memory that the result would keep belongs to replaced values.
// The values must be compact JSON and must not change.
func (o *Object) With(changes []Change) (*Object, error) {
	fields, err := o.members()
	if err != nil {
		return nil, err
	}
	held := o.held
	if o.stored {
		held = o.size
	}
	next := make([]field, len(fields), len(fields)+len(changes))
	copy(next, fields)
	for _, c := range changes {
		i, found := search(next, c.Key)
		switch {
		case c.Value == nil && found:
			next = slices.Delete(next, i, i+1)
		case c.Value == nil:
		case found:
			next[i].value = c.Value
			held += len(c.Value)
		default:
			next = slices.Insert(next, i, field{c.Key, quote(c.Key), c.Value})
			held += len(c.Key) + len(c.Value) + len(`"":`)
		}
	}
	return fromFields(next, held).compact(), nil
}

// compact copies the object to its own memory if most of the bytes that it keeps belong to replaced
// values: a small object must not keep a large one in memory.
func (o *Object) compact() *Object {
	if o.held <= 2*o.size+512 {
		return o
	}
	next := make([]field, len(o.fields))
	raw := o.JSON()
	at := len("{")
	for i, f := range o.fields {
		value := at + len(f.quoted) + len(":")
		end := value + len(f.value)
		next[i] = field{strings.Clone(f.key), raw[at : value-1 : value-1], raw[value:end:end]}
		at = end + len(",")
	}
	return &Object{raw: raw, fields: next, size: o.size, held: 0}
}

func search(fields []field, key string) (int, bool) {
	return slices.BinarySearchFunc(fields, key, func(f field, k string) int { return strings.Compare(f.key, k) })
}
