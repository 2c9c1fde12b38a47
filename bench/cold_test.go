package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// drawn decides which session each request uses. The sessions are drawn in advance, because drawing
// costs as much as a fast session. Every request draws from all sessions: a client that keeps to a
// thousand of them finds those in the processor's cache, which flatters a store in memory.
type drawn struct {
	headers []string // Cookie header of each session
	draws   []uint32
	zipf    bool
}

// zipfS is the skew: the k-th session gets 1/k^1.1 of the requests of the first.
const zipfS = 1.1

// newDrawn draws evenly, or by Zipf: then a few sessions get most requests.
func newDrawn(s *site, zipf bool) *drawn {
	n := len(s.cookies)
	rng := rand.New(rand.NewPCG(9, 10))
	p := &drawn{headers: make([]string, n), draws: make([]uint32, min(1<<20, 64*n)), zipf: zipf}
	for i, cookie := range s.cookies {
		p.headers[i] = s.c.CookieName() + "=" + cookie
	}
	draw := func() uint32 { return rng.Uint32N(uint32(n)) }
	if zipf {
		rank := rng.Perm(n) // the first to log in are not the busiest
		z := rand.NewZipf(rng, zipfS, 1, uint64(n-1))
		draw = func() uint32 { return uint32(rank[z.Uint64()]) }
	}
	for i := range p.draws {
		p.draws[i] = draw()
	}
	return p
}

// header returns the Cookie header of the i-th request.
func (p *drawn) header(i int) string { return p.headers[p.draws[i%len(p.draws)]] }

// permuted returns all sessions in random order.
func (p *drawn) permuted() []int { return rand.New(rand.NewPCG(11, 12)).Perm(len(p.headers)) }

// coldWork reads with a hot set of one session in a hundred.
func coldWork() work { return work{name: "cold", target: "/read", zipf: true, slow: true} }

// hotSet returns the options for that hot set.
func hotSet(sessions int) options { return options{hot: max(sessions/100, 1)} }

// coldContestants are ours, the floor, which keeps everything in memory, and those that query a server or
// a database on every request anyway.
func coldContestants() []contestant {
	return named("sessile", "floor", "scs-sqlite-NORMAL", "scs-sqlite-NORMAL-json", "scs-redis", "scs-redis-json")
}

// measureCold measures that workload.
func measureCold(t *testing.T, sessions int) (all []result) {
	t.Helper()
	var list []*site
	for _, k := range coldContestants() {
		if s := newSite(t, k, sessions, hotSet(sessions)); s != nil {
			list = append(list, s)
		}
	}
	for _, clients := range []int{1, 2, 64} {
		compare(list, coldWork(), clients, 2, 250*time.Millisecond) // warms up the hot set
		store, _ := list[0].c.(*sessileClient)
		allBefore, coldBefore := store.reads()
		r := compare(list, coldWork(), clients, 9, 250*time.Millisecond)
		allAfter, coldAfter := store.reads()
		r[0].ColdShare = float64(coldAfter-coldBefore) / float64(allAfter-allBefore)
		fmt.Printf("cold/sessions=%d/clients=%d: %.1f %% of the reads went to the disk, %.0f ns each\n", sessions, clients, 100*r[0].ColdShare, r[0].Median)
		ratios(r)
		all = append(all, r...)
	}
	return all
}
