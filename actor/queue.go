package actor

import "container/list"

// neighbourhood is how many keys in a row count as neighbours, as a power of two:
// the times of 1,024 sessions lie on nine pages of the embedded backend.
const neighbourhood = 10

// queue holds the changes that wait for a batch, oldest first, and knows which of
// them lie near each other on disk. Where more wait than a batch takes, the oldest
// leaves together with its neighbours: a page that is written for one change is
// written for all.
type queue struct {
	list.List
	near map[int64]*dirty // chains of neighbours, by what their keys have in common
}

// queued is the dirty session of an element of the queue.
func queued(e *list.Element) *dirty {
	return e.Value.(*dirty) //nolint:forcetypeassert,errcheck // the queue holds nothing else
}

// push appends d, whose change is the newest.
func (q *queue) push(d *dirty) {
	d.elem = q.PushBack(d)
	q.link(d)
}

// putBack puts d where its oldest change belongs.
func (q *queue) putBack(d *dirty) {
	d.elem = q.PushFront(d)
	for e := d.elem; e.Next() != nil && queued(e.Next()).first < d.first; {
		q.MoveAfter(e, e.Next())
	}
	q.link(d)
}

// take removes d, if it is there.
func (q *queue) take(d *dirty) {
	if d.elem != nil {
		q.Remove(d.elem)
		d.elem = nil
		q.unlink(d)
	}
}

// neighbour is a change that waits and lies near that of d, nil if there is none.
func (q *queue) neighbour(d *dirty) *dirty { return q.near[d.place] }

// placeOf is what the keys of neighbours have in common. Who has no key, 0, has
// no neighbours.
func placeOf(key int64) int64 { return (key - 1) >> neighbourhood }

func (q *queue) link(d *dirty) {
	if d.place < 0 {
		return
	}
	if d.next = q.near[d.place]; d.next != nil {
		d.next.prev = d
	}
	q.near[d.place] = d
}

func (q *queue) unlink(d *dirty) {
	if d.next != nil {
		d.next.prev = d.prev
	}
	switch {
	case d.prev != nil:
		d.prev.next = d.next
	case d.next != nil:
		q.near[d.place] = d.next
	default:
		delete(q.near, d.place)
	}
	d.next, d.prev = nil, nil
}
