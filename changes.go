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

// Changes are changes to single keys of a session's data, for [Store.Update].
// The zero value is empty and ready to use. A later change of a key replaces an
// earlier one. Values are encoded at once, so what is done to them afterwards
// changes nothing. A copy shares its changes with the original. It is not safe
// for concurrent use, and prints as a count.
type Changes struct{ to *changeList } // a pointer, since fmt does not follow it for %v where it asks no method

type changeList struct {
	changes []object.Change
	err     error // everything that was wrong
}

func (c *Changes) open() *changeList {
	if c.to == nil {
		c.to = new(changeList)
	}
	return c.to
}

// Set sets a key to what v encodes to as JSON; nil is null, not a deletion. An
// empty key, bad UTF-8, or a value that does not encode is [ErrInvalidData],
// reported by Update, which then changes nothing.
func (c *Changes) Set(key string, v any) *Changes {
	raw, err := object.Encode(v, object.MaxValueDepth)
	if err != nil {
		return c.refuse(key, err)
	}
	return c.put(key, raw)
}

// Delete deletes a key; one that is not there is no error.
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
	to.err = errors.Join(to.err, fmt.Errorf("session data: key %q: %w", key, err))
	return c
}

// Len returns how many keys are changed.
func (c *Changes) Len() int {
	if c == nil || c.to == nil {
		return 0
	}
	return len(c.to.changes)
}

// list returns a copy of the changes, or everything that was wrong with them.
func (c *Changes) list() ([]object.Change, error) {
	if c == nil || c.to == nil {
		return nil, nil
	}
	if c.to.err != nil {
		return nil, c.to.err
	}
	return slices.Clone(c.to.changes), nil
}

// String tells how many keys are changed.
func (c Changes) String() string { return "Changes(" + strconv.Itoa(c.Len()) + " keys)" }

// GoString tells how many keys are changed.
func (c Changes) GoString() string { return c.String() }

// Format tells how many keys are changed, whatever the verb.
func (c Changes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue tells slog how many keys are changed.
func (c Changes) LogValue() slog.Value { return slog.StringValue(c.String()) }
