package middleware

import (
	"sync"
	"time"
)

// maxRecent limits the entries in one half of a recent set. At 16 bytes each, a set takes a few
// hundred kilobytes at most.
const maxRecent = 4096

// recent remembers events for at least justNow, or less if there are very many. It stores seeded
// hashes and no secrets. After a collision or a forgotten entry, a response may remove a cookie too
// early or too late. The zero value is ready to use. It is safe for concurrent use.
type recent struct {
	mu        sync.Mutex
	now, past map[uint64]time.Time
	began     time.Time // start of now
}

// add notes key, and reports whether it is new.
func (r *recent) add(key uint64, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(key, at) {
		return false
	}
	if len(r.now) >= maxRecent || at.Sub(r.began) >= justNow {
		r.past, r.now, r.began = r.now, nil, at
	}
	if r.now == nil {
		r.now = make(map[uint64]time.Time)
	}
	r.now[key] = at
	return true
}

// contains reports whether key was added less than justNow ago.
func (r *recent) contains(key uint64, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has(key, at)
}

func (r *recent) has(key uint64, at time.Time) bool {
	for _, half := range [...]map[uint64]time.Time{r.now, r.past} {
		if t, ok := half[key]; ok && at.Sub(t) < justNow {
			return true
		}
	}
	return false
}
