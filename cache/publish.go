package cache

// Each method of the Index below publishes one kind of change, of all entries that
// it is given and have it. They may be called in any order: which order a reader
// may see is for the caller to choose. Called twice they do nothing more.

// Remove takes entries out that have left the set: a reader that starts later finds nothing.
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

// Unalias takes second keys away that have been given up or replaced.
func (x *Index[V]) Unalias(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.alias != nil && e.alias.shown != nil && e.alias.shown != e.alias.node {
			x.remove(e.alias.shown)
			e.alias.shown = nil
		}
	}
}

// Put shows the new values of entries that readers find.
func (x *Index[V]) Put(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown != nil && e.value.Load() != e.now {
			e.value.Store(e.now)
		}
	}
}

// Rekey replaces keys. There is no moment in which neither finds its entry.
func (x *Index[V]) Rekey(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown != nil && e.shown != e.node {
			x.insert(e.node, e)
			x.remove(e.shown)
			e.shown = e.node
		}
	}
}

// Add shows entries that are new.
func (x *Index[V]) Add(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown == nil {
			e.value.Store(e.now)
			x.insert(e.node, e)
			e.shown = e.node
		}
	}
}

// Alias makes second keys find their entries.
func (x *Index[V]) Alias(changed []*Entry[V]) {
	for _, e := range changed {
		if e.resident && e.shown != nil && e.alias != nil && e.alias.node != nil && e.alias.shown == nil {
			x.insert(e.alias.node, e)
			e.alias.shown = e.alias.node
		}
	}
}
