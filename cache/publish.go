package cache

// Each method of the Index below publishes one kind of change, for those of the given entries
// that have it. The caller chooses the order of the calls, and so what readers may see in
// between. A repeated call has no effect.

// Remove hides entries that have left the set. A reader that starts later finds nothing.
func (x *Index[V]) Remove(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident || e.shown == nil {
			continue
		}
		e.value.Store(nil)
		x.remove(e.shown)
		e.shown = nil
		if e.alias != nil && e.alias.shown != nil {
			x.remove(e.alias.shown)
			e.alias.shown = nil
		}
	}
}

// Unalias hides second keys that were removed or replaced.
func (x *Index[V]) Unalias(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.alias != nil && e.alias.shown != nil && e.alias.shown != e.alias.node {
			x.remove(e.alias.shown)
			e.alias.shown = nil
		}
	}
}

// Put publishes new values of entries that are already visible.
func (x *Index[V]) Put(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown != nil && e.value.Load() != e.now {
			e.value.Store(e.now)
		}
	}
}

// Rekey replaces keys. At every moment, at least one of the two keys finds the entry.
func (x *Index[V]) Rekey(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown != nil && e.shown != e.node {
			x.insert(e.node, e)
			x.remove(e.shown)
			e.shown = e.node
		}
	}
}

// Add publishes new entries.
func (x *Index[V]) Add(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown == nil {
			e.value.Store(e.now)
			x.insert(e.node, e)
			e.shown = e.node
		}
	}
}

// Alias publishes second keys.
func (x *Index[V]) Alias(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown != nil && e.alias != nil && e.alias.node != nil && e.alias.shown == nil {
			x.insert(e.alias.node, e)
			e.alias.shown = e.alias.node
		}
	}
}
