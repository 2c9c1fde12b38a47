package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// searchCommand lists a page of the stored sessions. Like a list of a user, it puts nothing
// into memory.
type searchCommand struct {
	call
	query persist.Query
	found Found
	full  bool // the page has as many rows as it may have
}

// Found is what a search has found.
type Found struct {
	Views      []*View // active sessions, the newest first
	Unreadable int     // rows that could not be read
	Next       int64   // where the next search continues, 0 = this was the last page
}

// mostPages is how many pages of a backend one Search reads.
const mostPages = 1 + persist.MaxPage/sliceSize

// Search returns active sessions that q selects, with what is not on disk yet. It reads a few
// pages, and may find less than q.Limit although others follow. One search runs at a time.
// Errors: persist.ErrInvalidQuery, ErrOverloaded, ErrClosed, the backend's, the context's.
func (a *Actor) Search(ctx context.Context, q persist.Query) (f Found, err error) {
	if err := a.beginSearch(ctx); err != nil {
		return f, err
	}
	defer a.endSearch()
	most := q.Limit
	for range mostPages {
		q.Limit = min(most-len(f.Views), sliceSize)
		page, full, err := a.searchPage(ctx, q)
		if err != nil {
			return Found{}, err
		}
		f.Views, f.Next = append(f.Views, page.Views...), page.Next
		f.Unreadable += page.Unreadable
		if q.Before = page.Next; page.Next == 0 || !full || len(f.Views) == most {
			break
		}
	}
	return f, nil
}

func (a *Actor) beginSearch(ctx context.Context) error {
	select {
	case a.searches <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-a.stop:
		return ErrClosed
	}
}

func (a *Actor) endSearch() { <-a.searches }

func (a *Actor) searchPage(ctx context.Context, q persist.Query) (f Found, full bool, err error) {
	x := fresh[searchCommand](&a.pools.search)
	x.query = q
	err = a.call(ctx, a.inbox, x)
	f, full = x.found, x.full
	x.recycle()
	return f, full, err
}

func (x *searchCommand) run(c *core) {
	q := x.query
	c.startLoad(&x.call, &load{kind: byPage, query: &q})
}

// listed answers with a page. If a row of it may be outdated, a page of half the size is
// read: a smaller one is read faster than others change it.
func (x *searchCommand) listed(c *core, m *loaded) {
	views, current := c.merge(m)
	switch {
	case m.err != nil:
		c.fail(&x.call, m.err)
	case !current && x.query.Limit == 1:
		c.readOnceMore(&x.call)
	case !current:
		x.query.Limit /= 2
		x.run(c)
	default:
		x.full = len(m.listing.Records)+m.listing.Unreadable >= x.query.Limit
		x.found = Found{views, m.listing.Unreadable, m.next}
		c.answer(&x.call, nil)
	}
}

// Count returns how many sessions are stored, expired ones included. Errors: ErrClosed, the
// backend's, the context's.
func (a *Actor) Count(ctx context.Context) (int, error) {
	if err := a.beginSearch(ctx); err != nil {
		return 0, err
	}
	defer a.endSearch()
	x, err := bounded(ctx, func() counted { return a.count(ctx) })
	if err != nil {
		return 0, err
	}
	return x.n, x.err
}

type counted struct {
	n   int
	err error
}

// count asks the backend. It counts as a read that Close waits for.
func (a *Actor) count(ctx context.Context) (x counted) {
	if !a.diskReads.begin() {
		return counted{err: ErrClosed}
	}
	defer a.diskReads.end()
	x.n, x.err = a.backend.Count(ctx)
	return x
}
