// Package agenda orders things by the time at which they are due.
package agenda

import "math"

// Scheduled is what an agenda holds.
type Scheduled interface{ When() *Moment }

// Moment is when something is due, and where it is in its agenda. What is in an agenda embeds
// one: so it can be moved and taken out without being looked for.
type Moment struct {
	At    int64
	place int // from 1; 0 = it is in none
}

// When returns m.
func (m *Moment) When() *Moment { return m }

// Agenda is a heap of things by the time at which they are due. To add one, to move one and
// to take one out costs the logarithm of their number. The loop looks at the first one in
// every step, and there may be 100,000 delayed operations or watched sessions.
//
// Places count from 1, so that the children of i are 2i and 2i+1 and a zero Moment is in no
// agenda. container/heap would need a method for each of these, and boxes what it moves.
type Agenda[T Scheduled] []T

// Next is when the first thing is due, or math.MaxInt64.
func (a Agenda[T]) Next() int64 {
	if len(a) == 0 {
		return math.MaxInt64
	}
	return a[0].When().At
}

// Due reports whether something is.
func (a Agenda[T]) Due(now int64) bool { return len(a) > 0 && a[0].When().At <= now }

// Set has x due at a time, whether it is there already or not.
func (a *Agenda[T]) Set(x T, at int64) {
	m := x.When()
	m.At = at
	if m.place == 0 {
		*a = append(*a, x)
		m.place = len(*a)
	}
	a.fix(m.place)
}

// Remove takes x out, if it is there: the last thing takes its place, and is moved from there
// to where it belongs.
func (a *Agenda[T]) Remove(x T) {
	m := x.When()
	if m.place == 0 {
		return
	}
	i, last := m.place, len(*a)
	a.swap(i, last)
	var none T
	(*a)[last-1], *a = none, (*a)[:last-1]
	m.place = 0
	if i < last {
		a.fix(i)
	}
}

// fix brings the thing at a place to where it belongs.
func (a *Agenda[T]) fix(i int) {
	for i > 1 && a.less(i, i/2) {
		a.swap(i, i/2)
		i /= 2
	}
	for {
		first := i
		for child := 2 * i; child <= min(2*i+1, len(*a)); child++ {
			if a.less(child, first) {
				first = child
			}
		}
		if first == i {
			return
		}
		a.swap(i, first)
		i = first
	}
}

func (a *Agenda[T]) less(i, j int) bool { return (*a)[i-1].When().At < (*a)[j-1].When().At }

func (a *Agenda[T]) swap(i, j int) {
	l := *a
	l[i-1], l[j-1] = l[j-1], l[i-1]
	l[i-1].When().place, l[j-1].When().place = i, j
}
