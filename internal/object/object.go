// Package object is a session's data: one immutable JSON object that all
// requests of a session share. It is decoded at most once a version, on first
// use, and encoded at most once. Values are kept as the JSON they came as.
// An Object is safe for concurrent use. The package knows nothing of sessions.
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

// ErrInvalid says that bytes are not one JSON object in valid UTF-8.
var ErrInvalid = errors.New("not a JSON object")

// MaxDepth is how deep arrays and objects may be nested in each other, the object
// itself counted: what package json reads.
const MaxDepth = 10_000

// Object is one version of a JSON object.
type Object struct {
	decode sync.Once
	encode sync.Once
	raw    []byte  // the encoded form; nil until it is asked for, if made by With
	fields []field // sorted by key; nil until asked for, if made from bytes
	err    error   // of decoding
	size   int     // of the encoded form
}

// field is one member; quoted is its key as JSON.
type field struct {
	key    string
	quoted []byte
	value  json.RawMessage
}

// Change sets a key to a JSON value, or deletes it if Value is nil.
type Change struct {
	Key   string
	Value json.RawMessage
}

// Empty returns the object without members.
func Empty() *Object { return FromStored([]byte("{}")) }

// Parse returns the object that raw encodes. Its encoded form is compact, with
// sorted keys; of a key that occurs twice the last value counts.
func Parse(raw []byte) (*Object, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("%w: invalid UTF-8", ErrInvalid)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, ErrInvalid // the decoder's error quotes the input
	}
	fields, err := split(bytes.Clone(compact.Bytes())) // at its true size: it is kept
	if err != nil {
		return nil, err
	}
	return fromFields(fields), nil
}

// FromStored returns the object that raw encodes without looking at it yet. raw
// is kept and must not change. If it is no object, the methods that look say so.
func FromStored(raw []byte) *Object { return &Object{raw: raw, size: len(raw)} }

// Valid reports whether raw encodes an object, without decoding it.
func Valid(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' && json.Valid(raw) }

func fromFields(fields []field) *Object {
	size := len("{}") + max(len(fields)-1, 0)
	for i := range fields {
		size += len(fields[i].quoted) + 1 + len(fields[i].value)
	}
	return &Object{fields: fields, size: size}
}

// quote encodes a key; characters of HTML stay as they are.
func quote(key string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(key) //nolint:errchkjson // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
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

// JSON returns the encoded form, which must not be modified.
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

// Len returns the length of the encoded form, bytes. It does not encode.
func (o *Object) Len() int { return o.size }

// Get returns the JSON value of a key, which must not be modified.
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

// Keys returns the keys in order.
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

// With returns the object with changes made in their order. It copies no values
// and encodes nothing. The values must be compact JSON and must not change.
func (o *Object) With(changes []Change) (*Object, error) {
	fields, err := o.members()
	if err != nil {
		return nil, err
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
		default:
			next = slices.Insert(next, i, field{c.Key, quote(c.Key), c.Value})
		}
	}
	return fromFields(next), nil
}

func search(fields []field, key string) (int, bool) {
	return slices.BinarySearchFunc(fields, key, func(f field, k string) int { return strings.Compare(f.key, k) })
}
