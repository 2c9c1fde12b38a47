package cache_test

import "github.com/sessile/sessile/cache"

// hot combines both halves and publishes every change at once.
type hot struct {
	*cache.Set[value]
	index *cache.Index[value]
}

func newHot(entries int, bytes int64) *hot {
	s, x := cache.New[value](entries, bytes)
	return &hot{s, x}
}

func (h *hot) publish() {
	l := h.Changed()
	h.index.Remove(l)
	h.index.Unalias(l)
	h.index.Put(l)
	h.index.Rekey(l)
	h.index.Add(l)
	h.index.Alias(l)
	h.Published()
}

func (h *hot) Get(key *[32]byte) *value { return h.index.Get(key) }

func (h *hot) Add(id [16]byte, user string, key [32]byte, v *value, cost int) *cache.Entry[value] {
	defer h.publish()
	return h.Set.Add(id, user, key, v, cost)
}

func (h *hot) Put(e *cache.Entry[value], v *value, cost int) {
	defer h.publish()
	h.Set.Put(e, v, cost)
}

func (h *hot) Rekey(e *cache.Entry[value], key [32]byte) { defer h.publish(); h.Set.Rekey(e, key) }
func (h *hot) Alias(e *cache.Entry[value], key [32]byte) { defer h.publish(); h.Set.Alias(e, key) }
func (h *hot) Unalias(e *cache.Entry[value])             { defer h.publish(); h.Set.Unalias(e) }
func (h *hot) Unpin(e *cache.Entry[value])               { defer h.publish(); h.Set.Unpin(e) }
func (h *hot) Remove(e *cache.Entry[value])              { defer h.publish(); h.Set.Remove(e) }
func (h *hot) Clear()                                    { defer h.publish(); h.Set.Clear() }
