package middleware

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sessile/sessile"
)

// GetOr is [Get] that returns otherwise if there is no value: no key, no session, a value that does
// not decode into T, or damaged data. Use Get to distinguish them.
func GetOr[T any](h *Handle, key string, otherwise T) T {
	v, ok, err := Get[T](h, key)
	if !ok || err != nil {
		return otherwise
	}
	return v
}

// Has reports whether the session has a key, including pending changes. A key that is set to null
// counts.
func (h *Handle) Has(key string) bool {
	h.enter()
	defer h.mu.Unlock()
	if c := h.change(key); c != nil {
		return c.value != nil
	}
	_, ok, err := sessile.Get[json.RawMessage](h.cur.session, key)
	return ok && err == nil
}

// Keys returns the keys of the session in sorted order, including pending changes. Flash messages
// have keys that begin with [FlashKey]. It returns none without a session.
func (h *Handle) Keys() []string {
	h.enter()
	defer h.mu.Unlock()
	return h.keys("")
}

// Clear deletes every key, also those of flash messages, by the rules of [Handle.Set]. It keeps the
// session itself. Keys that a parallel request adds meanwhile stay. Without a session it does
// nothing.
func (h *Handle) Clear() error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.changeable(); err != nil {
		return err
	}
	if h.fault != nil {
		return h.fault
	}
	for _, key := range h.keys("") {
		if err := h.put(change{key: key}); err != nil {
			return err
		}
	}
	return nil
}

// change returns the pending change of a key, or nil.
func (h *Handle) change(key string) *change {
	for i := range h.pending {
		if h.pending[i].key == key {
			return &h.pending[i]
		}
	}
	return nil
}

// keys returns the keys that begin with prefix, including pending changes, in sorted order.
func (h *Handle) keys(prefix string) []string {
	keys := slices.DeleteFunc(h.cur.session.Data().Keys(), func(key string) bool {
		return !strings.HasPrefix(key, prefix) || h.change(key) != nil
	})
	for _, c := range h.pending {
		if c.value != nil && strings.HasPrefix(c.key, prefix) {
			keys = append(keys, c.key)
		}
	}
	slices.Sort(keys)
	return keys
}
