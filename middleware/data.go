package middleware

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/object"
)

// change is a pending change of one key; a nil value deletes it.
type change struct {
	key   string
	value json.RawMessage
	held  bool // a Save that carried it failed: the response does not send it
}

// Get returns the value of a key, including pending changes. A missing key, or a request without a
// session, returns the zero value, false and no error. See [sessile.Get] for values that do not
// decode into T, and for numbers in an any.
func Get[T any](h *Handle, key string) (T, bool, error) {
	h.enter()
	defer h.mu.Unlock()
	return get[T](h, key)
}

// Pop is [Get] that also deletes the key, by the rules of [Handle.Set]. It also deletes a value that
// does not decode into T, and returns [sessile.ErrWrongType]. If it cannot delete the key, it returns
// the zero value, true and the error.
func Pop[T any](h *Handle, key string) (T, bool, error) {
	h.enter()
	defer h.mu.Unlock()
	v, ok, err := get[T](h, key)
	if !ok || err != nil && !errors.Is(err, sessile.ErrWrongType) {
		return v, ok, err
	}
	if err := h.put(change{key: key}); err != nil {
		var zero T
		return zero, true, err
	}
	return v, true, err
}

func get[T any](h *Handle, key string) (T, bool, error) {
	var v T
	if h.m == nil {
		return v, false, ErrNoMiddleware
	}
	if c := h.change(key); c != nil {
		if c.value == nil {
			return v, false, nil
		}
		v, err := object.Decode[T](c.value)
		if err != nil {
			err = fmt.Errorf("session data: key %q as %T: %w", key, v, err)
		}
		return v, true, err
	}
	if !h.has() {
		return v, false, nil
	}
	return sessile.Get[T](h.cur.session, key)
}

// Set sets a key to the JSON encoding of v. A nil v sets it to null. The store gets the change when
// the response begins; see [Handle.Save] and [Handle.Update].
//
// Errors:
//
//   - [ErrNoSession] without a session, unless Options.Guests is set. Then the commit creates a
//     guest session.
//   - [ErrHeadersSent] after the response has begun. Use [Handle.Update] then.
//   - [sessile.ErrInvalidData] if the key is empty or not UTF-8, or v does not encode.
//   - [sessile.ErrDataTooLarge] if the data would exceed Config.MaxDataBytes. The commit can still
//     fail with it, if parallel requests add data.
func (h *Handle) Set(key string, v any) error {
	raw, err := object.Encode(v, object.MaxValueDepth)
	if err == nil && (key == "" || !utf8.ValidString(key)) {
		err = sessile.ErrInvalidData
	}
	if err != nil {
		return fmt.Errorf("session data: key %q: %w", key, err)
	}
	h.enter()
	defer h.mu.Unlock()
	return h.put(change{key: key, value: raw})
}

// Delete deletes a key, by the rules of [Handle.Set]. Deleting a missing key is not an error.
func (h *Handle) Delete(key string) error {
	h.enter()
	defer h.mu.Unlock()
	return h.put(change{key: key})
}

// put adds a pending change. It replaces an earlier one of the same key.
func (h *Handle) put(c change) error {
	if err := h.changeable(); err != nil {
		return err
	}
	switch {
	case h.fault != nil:
		return h.fault
	case !h.has() && !h.mayBeGuest():
		return ErrNoSession
	case !h.has() && h.m.cookie.withheld(h.req):
		return errWithheld
	case !h.has() && c.value == nil && len(h.pending) == 0:
		return nil // nothing to delete: no reason for a guest session
	case !h.fits(c):
		return fmt.Errorf("session data: key %q: %w", c.key, sessile.ErrDataTooLarge)
	}
	if earlier := h.change(c.key); earlier != nil {
		*earlier = c
		return nil
	}
	h.pending = append(h.pending, c)
	return nil
}

// mayBeGuest reports whether the request may begin a guest session. It may not if it came with a
// token that may be valid, or if the client keeps its token itself.
func (h *Handle) mayBeGuest() bool { return h.m.opts.Guests && h.presence == absent && !h.bearer }

// fits reports whether the data with c stays within its limit, if no parallel request changes it
// meanwhile.
func (h *Handle) fits(c change) bool {
	if c.value == nil {
		return true
	}
	size := h.growth(c)
	for _, p := range h.pending {
		if p.key != c.key {
			size += h.growth(p)
		}
	}
	if stored := h.cur.session.Data().Len(); stored > len("{}") {
		size += stored
	} else {
		size += len("{}") - len(",") // the first member has no comma
	}
	return size <= h.m.maxData
}

// growth returns how many bytes a change adds to the stored data, including a comma.
func (h *Handle) growth(c change) int {
	n := 0
	if c.value != nil {
		n = quoted(c.key) + len(`:,`) + len(c.value)
	}
	if old, ok, err := sessile.Get[json.RawMessage](h.cur.session, c.key); err == nil && ok && h.has() {
		n -= quoted(c.key) + len(`:,`) + len(old)
	}
	return n
}

// quoted returns the length of a key in JSON.
func quoted(key string) int {
	for i := range len(key) {
		if c := key[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			raw, _ := object.Encode(key, object.MaxValueDepth) // cannot fail: Set has checked the key
			return len(raw)
		}
	}
	return len(key) + len(`""`)
}

// changes returns the pending changes for the store.
func (h *Handle) changes() *sessile.Changes {
	c := new(sessile.Changes)
	for _, p := range h.pending {
		if p.value == nil {
			c.Delete(p.key)
			continue
		}
		c.Set(p.key, p.value)
	}
	return c
}
