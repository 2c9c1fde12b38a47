package middleware

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/sessile/sessile/internal/object"
)

// FlashKey is the prefix of the keys that hold flash messages, one key per message. In CarryOver it
// stands for all of them: they then survive a login.
const FlashKey = "_flash"

// Flash is a message that is shown once, usually after a redirect. It prints with its text, because
// the text is not secret.
type Flash struct {
	Kind string `json:"kind"` // for the application: "error", "success", …
	Text string `json:"text"`
}

// AddFlash stores a message for the next [Handle.Flashes], by the rules of [Handle.Set]. Parallel
// requests do not lose each other's messages: each message has its own key.
func (h *Handle) AddFlash(kind, text string) error {
	raw, err := object.Encode(Flash{kind, text}, object.MaxValueDepth)
	if err != nil {
		return fmt.Errorf("flash message: %w", err)
	}
	h.enter()
	defer h.mu.Unlock()
	if err := h.changeable(); err != nil {
		return err
	}
	var unique [4]byte
	if _, err := rand.Read(unique[:]); err != nil {
		return fmt.Errorf("flash message: %w", err)
	}
	// Keys sort by time, and within a microsecond of one request by number.
	key := fmt.Sprintf("%s.%014x%04x%s", FlashKey, h.m.store.Now().UnixMicro(), len(h.pending), hex.EncodeToString(unique[:]))
	return h.put(change{key: key, value: raw})
}

// Flashes returns the messages, the oldest first, and removes them from the session. Call it before
// the response begins. It drops values that are not messages.
func (h *Handle) Flashes() ([]Flash, error) {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil {
		return nil, ErrNoMiddleware
	}
	var all []Flash
	for _, key := range h.flashKeys() {
		f, ok, err := get[Flash](h, key)
		if !ok {
			continue
		}
		if err := h.put(change{key: key}); err != nil {
			return nil, err
		}
		if err == nil {
			all = append(all, f)
		}
	}
	return all, nil
}

// flashKeys returns the keys of all messages, including pending ones, in order.
func (h *Handle) flashKeys() []string { return h.keys(FlashKey + ".") }
