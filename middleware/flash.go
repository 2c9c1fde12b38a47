package middleware

// flashKey holds the flash messages in the session's data.
const flashKey = "_flash"

// Flash is a message that is shown once, usually after a redirect.
type Flash struct {
	Kind string `json:"kind"` // for the application: "error", "success", …
	Text string `json:"text"`
}

// AddFlash keeps a message for the next [Handle.Flashes], under the rules of Set.
func (h *Handle) AddFlash(kind, text string) error {
	h.enter()
	defer h.mu.Unlock()
	all, _, err := get[[]Flash](h, flashKey)
	if err != nil {
		all = nil // what is there is not ours to keep
	}
	raw, err := encode(append(all, Flash{kind, text}))
	if err != nil {
		return err
	}
	return h.put(change{flashKey, raw})
}

// Flashes takes the messages out of the session. Call it before the response begins.
func (h *Handle) Flashes() ([]Flash, error) {
	all, _, err := Pop[[]Flash](h, flashKey)
	return all, err
}
