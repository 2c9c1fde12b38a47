package actor

import (
	"cmp"
	"container/list"
	"slices"
)

// neighbourhood is how many keys in a row count as neighbours, as a power of two:
// the times of 1,024 sessions lie on nine pages of the embedded backend.
const neighbourhood = 10

// queue holds the changes that wait for a batch, oldest first, and knows which of
// them lie near each other on disk. Where more wait than a batch takes, the oldest
// leaves together with its neighbours: a page that is written for one change is
// written for all.
type queue struct {
	list.List                  // of *dirty, by age
	near      map[int64]*dirty // of neighbours the one that leaves first, by their place
}

// spot is where a dirty session is in the queue.
type spot struct {
	elem       *list.Element // nil if it is not there
	place      int64         // on disk: what its key has in common with its neighbours'
	next, prev *dirty        // a ring of those neighbours that are in the queue
}

// placeOf is what the keys of neighbours have in common. Who has no key, 0, has
// no neighbours.
func placeOf(key int64) int64 { return (key - 1) >> neighbourhood }

// oldest is the change that has waited for longest. There must be one.
func (q *queue) oldest() *dirty { return queued(q.Front()) }

// queued is the dirty session of an element of the queue.
func queued(e *list.Element) *dirty {
	return e.Value.(*dirty) //nolint:forcetypeassert,errcheck // the queue holds nothing else
}

// push appends d, whose change is the newest.
func (q *queue) push(d *dirty) {
	d.elem = q.PushBack(d)
	q.link(d)
}

// putBack puts changes where they belong by their age, in one pass over the queue: there may
// be thousands of each. Of their neighbours they leave first, since they have waited for
// longer.
func (q *queue) putBack(back []*dirty) {
	slices.SortFunc(back, func(a, b *dirty) int { return cmp.Compare(a.first, b.first) })
	at := q.Front()
	for _, d := range back {
		for at != nil && queued(at).first < d.first {
			at = at.Next()
		}
		if at == nil {
			d.elem = q.PushBack(d)
		} else {
			d.elem = q.InsertBefore(d, at)
		}
	}
	for _, d := range slices.Backward(back) {
		if q.link(d); d.next != nil {
			q.near[d.place] = d
		}
	}
}

// replace puts k in the place of d.
func (q *queue) replace(d, k *dirty) {
	k.elem, d.elem = d.elem, nil
	k.elem.Value = k
	q.unlink(d)
	q.link(k)
}

// take removes d, if it is there.
func (q *queue) take(d *dirty) {
	if d.elem != nil {
		q.Remove(d.elem)
		d.elem = nil
		q.unlink(d)
	}
}

// link makes d the last of its neighbours. A session without a key, which the backend has not
// numbered, has none.
func (q *queue) link(d *dirty) {
	if d.place < 0 {
		return
	}
	first := q.near[d.place]
	if first == nil {
		d.next, d.prev = d, d
		q.near[d.place] = d
		return
	}
	d.next, d.prev = first, first.prev
	first.prev.next, first.prev = d, d
}

// unlink takes d out of the ring of its neighbours. The next one becomes the first if d was.
func (q *queue) unlink(d *dirty) {
	switch {
	case d.next == nil:
		return
	case d.next == d:
		delete(q.near, d.place)
	case q.near[d.place] == d:
		q.near[d.place] = d.next
	}
	d.prev.next, d.next.prev = d.next, d.prev
	d.next, d.prev = nil, nil
}

// fillOldest takes n changes: the oldest with its neighbours on disk, then the oldest of
// those that are left with its own. So what has waited longest always leaves first, and
// nothing is left behind, though most of a batch is chosen by where it lies.
func (c *core) fillOldest(b *batch, n int) {
	var d *dirty
	for ; n > 0 && c.queue.Len() > 0; n-- {
		if d != nil {
			d = c.queue.near[d.place]
		}
		if d == nil {
			d = c.queue.oldest()
		}
		c.fill(b, d)
	}
}
