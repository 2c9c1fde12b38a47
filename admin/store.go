package admin

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile"
)

// searchTime is how long a search goes on to fill a page that matches few sessions.
const searchTime = time.Second

// found is one page of a search. Sessions is never nil, so that an empty list is no null.
type found struct {
	Sessions []sessile.Session `json:"sessions"`
	Next     string            `json:"next,omitempty"` // after of the next page; "" at the end
}

// search fills a page. The store looks at a bounded number of sessions in each call, so a page can
// take several.
func (h *handler) search(ctx context.Context, q sessile.Query) (found, error) {
	all, began := found{Sessions: []sessile.Session{}}, time.Now()
	for {
		page, err := h.store.Search(ctx, q)
		if err != nil {
			return found{}, err
		}
		all.Sessions, all.Next = append(all.Sessions, page.Sessions...), page.Next
		q.After, q.Limit = page.Next, q.Limit-len(page.Sessions)
		if page.Next == "" || q.Limit <= 0 || time.Since(began) > searchTime {
			return all, nil
		}
	}
}

// How old a count of the stored sessions may be, and how long it may take.
const (
	countEvery   = 5 * time.Second
	countTimeout = time.Second
)

// storedCount keeps the number of stored sessions, because counting reads the disk.
type storedCount struct {
	mu    sync.Mutex // held while it counts
	at    time.Time
	count atomic.Pointer[int]
}

// get returns the number, or nil if it is unknown. One caller counts; others get the last number.
func (c *storedCount) get(ctx context.Context, store *sessile.Store) *int {
	if !c.mu.TryLock() {
		return c.count.Load()
	}
	defer c.mu.Unlock()
	if !c.at.IsZero() && time.Since(c.at) < countEvery {
		return c.count.Load()
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	n, err := store.Count(ctx)
	c.at = time.Now()
	if err != nil {
		c.count.Store(nil)
		return nil
	}
	c.count.Store(&n)
	return &n
}
