package middleware

import (
	"fmt"

	"github.com/sessile/sessile"
)

// FlashKey is the key of the session's data that holds the flash messages. Name
// it in Options.CarryOver if they are to survive a login.
const FlashKey = "_flash"

// Flash is a message that is shown once, usually after a redirect.
type Flash struct {
	Kind string `json:"kind"` // for the application: "error", "success", …
	Text string `json:"text"`
}

// AddFlash keeps a message for the next [Handle.Flashes], under the rules of
// [Handle.Set]. Parallel requests that add one each may lose one of them.
func (h *Handle) AddFlash(kind, text string) error {
	h.enter()
	defer h.mu.Unlock()
	all, _, err := get[[]Flash](h, FlashKey)
	if err != nil {
		all = nil // what is there is not ours to keep
	}
	raw, err := encode(append(all, Flash{kind, text}))
	if err != nil {
		return fmt.Errorf("flash message: %w", sessile.ErrInvalidData)
	}
	return h.put(change{FlashKey, raw})
}

// Flashes takes the messages out of the session, the oldest first. Call it before
// the response begins.
func (h *Handle) Flashes() ([]Flash, error) {
	all, _, err := Pop[[]Flash](h, FlashKey)
	return all, err
}
