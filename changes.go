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
// changes nothing. It is not safe for concurrent use, and prints as a count.
type Changes struct {
	changes []object.Change
	err     error
}

// Set sets a key to what v encodes to as JSON; nil is null, not a deletion. An
// empty key, bad UTF-8, or a value that does not encode is [ErrInvalidData],
// reported by Update, which then changes nothing.
func (c *Changes) Set(key string, v any) *Changes {
	raw, err := encodeJSON(v)
	if err != nil {
		c.err = errors.Join(c.err, fmt.Errorf("session data: key %q: %w", key, err))
		return c
	}
	return c.put(key, raw)
}

// Delete deletes a key; one that is not there is no error.
func (c *Changes) Delete(key string) *Changes { return c.put(key, nil) }

func (c *Changes) put(key string, raw json.RawMessage) *Changes {
	if key == "" || !utf8.ValidString(key) {
		c.err = errors.Join(c.err, fmt.Errorf("session data: key %q: %w", key, ErrInvalidData))
		return c
	}
	if i := slices.IndexFunc(c.changes, func(x object.Change) bool { return x.Key == key }); i >= 0 {
		c.changes[i].Value = raw
		return c
	}
	c.changes = append(c.changes, object.Change{Key: key, Value: raw})
	return c
}

// Len returns how many keys are changed.
func (c *Changes) Len() int {
	if c == nil {
		return 0
	}
	return len(c.changes)
}

// list returns a copy of the changes, or everything that was wrong with them.
func (c *Changes) list() ([]object.Change, error) {
	if c == nil {
		return nil, nil
	}
	if c.err != nil {
		return nil, c.err
	}
	return slices.Clone(c.changes), nil
}

// text tells how many keys are changed; neither keys nor values.
func (c *Changes) text() string { return "Changes(" + strconv.Itoa(c.Len()) + " keys)" }

// String tells how many keys are changed.
func (c *Changes) String() string { return c.text() }

// GoString tells how many keys are changed.
func (c *Changes) GoString() string { return c.text() }

// Format tells how many keys are changed, whatever the verb.
func (c *Changes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.text()) }

// LogValue tells slog how many keys are changed.
func (c *Changes) LogValue() slog.Value { return slog.StringValue(c.text()) }
