package sessile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/sessile/sessile/internal/object"
)

// Changes collects changes to single keys of a session's data, for [Store.Update]. The zero value
// is empty and ready to use.
//
// A later change of a key replaces an earlier one. Set encodes its value at once, so later
// modifications of the value have no effect. Do not copy a Changes: pass a pointer. Changes is not
// safe for concurrent use. It prints as a count.
type Changes struct {
	to **changeList // fmt prints the address, with every verb: it follows one pointer at most
}

type changeList struct {
	changes []object.Change
	err     error // all faults, joined
	refused int   // how many faults
	first   [2]object.Change
}

func (c *Changes) open() *changeList {
	if c.to == nil {
		to := new(changeList)
		to.changes = to.first[:0]
		c.to = &to
	}
	return *c.to
}

// Set sets a key to the JSON encoding of v. A nil v sets it to null and does not delete the key.
//
// If the key is empty or not UTF-8, or v does not encode, [Store.Update] returns [ErrInvalidData]
// and changes nothing.
func (c *Changes) Set(key string, v any) *Changes {
	raw, err := object.Encode(v, object.MaxValueDepth)
	if err != nil {
		return c.refuse(key, err)
	}
	return c.put(key, raw)
}

// Delete deletes a key. Deleting a missing key is not an error.
func (c *Changes) Delete(key string) *Changes { return c.put(key, nil) }

func (c *Changes) put(key string, raw json.RawMessage) *Changes {
	if key == "" || !utf8.ValidString(key) {
		return c.refuse(key, ErrInvalidData)
	}
	to := c.open()
	if i := slices.IndexFunc(to.changes, func(x object.Change) bool { return x.Key == key }); i >= 0 {
		to.changes[i].Value = raw
		return c
	}
	to.changes = append(to.changes, object.Change{Key: key, Value: raw})
	return c
}

func (c *Changes) refuse(key string, err error) *Changes {
	to := c.open()
	to.refused++
	to.err = errors.Join(to.err, fmt.Errorf("session data: key %q: %w", key, err))
	return c
}

// Len returns the number of changes, including refused ones. So Len is not 0 if [Store.Update] would
// return an error.
func (c *Changes) Len() int {
	if c == nil || c.to == nil {
		return 0
	}
	return len((*c.to).changes) + (*c.to).refused
}

// list returns a copy of the changes, or all faults that Set and Delete found.
func (c *Changes) list() ([]object.Change, error) {
	if c == nil || c.to == nil {
		return nil, nil
	}
	to := *c.to
	if to.err != nil {
		return nil, to.err
	}
	return slices.Clone(to.changes), nil
}

// String returns the number of changes.
func (c Changes) String() string { return "Changes(" + strconv.Itoa(c.Len()) + " keys)" }

// GoString returns the same as String.
func (c Changes) GoString() string { return c.String() }

// Format prints String for every verb.
func (c Changes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue returns String for slog.
func (c Changes) LogValue() slog.Value { return slog.StringValue(c.String()) }
