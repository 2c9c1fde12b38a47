package actor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// TestMemoryMatchesTheAccountOfTheCache: the heap that sessions take once their data has been
// read and written is within a factor of 1.5 of what bounds them, whatever they are like.
func TestMemoryMatchesTheAccountOfTheCache(t *testing.T) {
	key := func(i int) object.Change {
		return object.Change{Key: fmt.Sprintf("k%d", i), Value: []byte("1")}
	}
	many := func(n, size int) (l []object.Change) {
		for i := range n {
			c := key(i)
			if size > 0 {
				c.Value = append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, size)...), '"')
			}
			l = append(l, c)
		}
		return l
	}
	gone := func(n int) (l []object.Change) {
		for i := range n {
			l = append(l, object.Change{Key: key(i).Key})
		}
		return l
	}
	for name, c := range map[string]struct {
		sessions int
		changes  [][]object.Change // one update after the other
	}{
		"small":                {20_000, [][]object.Change{many(3, 8)}},
		"empty":                {20_000, nil},
		"large":                {500, [][]object.Change{many(1, 60_000)}},
		"large, of many parts": {500, [][]object.Change{many(60, 1000)}},
		"shrunk":               {2000, [][]object.Change{many(1, 60_000), {key(7)}, gone(1)}},
		"many keys":            {100, [][]object.Change{many(1000, 0)}},
		"keys that went":       {2000, [][]object.Change{many(100, 0), gone(99)}},
		"changed often":        {1000, [][]object.Change{many(10, 100), many(10, 90), many(10, 80), many(10, 70), many(10, 60), many(10, 50)}},
	} {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, from disk %t", name, stored), func(t *testing.T) {
				before := heap()
				g := newHarness(t, func(cfg *Config) { cfg.Entries, cfg.MaxPending = c.sessions, 1<<20 })
				for i := range c.sessions {
					doc := object.Empty()
					for _, l := range c.changes {
						doc, _ = doc.With(clones(l))
						_ = doc.JSON() // it was written
					}
					if stored {
						doc = object.FromStored(bytes.Clone(doc.JSON()))
					}
					rec := g.record("u")
					rec.Data = nil
					rec.ID = nthID(i)
					rec.UserID = fmt.Sprintf("user%d", i)
					binary.BigEndian.PutUint32(rec.Hash[4:], uint32(i))
					v := viewOf(*rec)
					v.Doc = doc
					if _, err := doc.Keys(); err != nil { // it was read
						t.Fatal(err)
					}
					g.c.install(persist.Record{Identity: rec.Identity, Hash: rec.Hash}, v, false)
				}
				g.do(wakeUp{})
				used, accounted := float64(heap()-before), float64(g.c.hot.Bytes())
				t.Logf("%d sessions take %.0f kB, accounted are %.0f kB: %.2f times", c.sessions, used/1024, accounted/1024, used/accounted)
				if used > 1.5*accounted || accounted > 1.5*used {
					t.Error("they are not accounted for")
				}
				runtime.KeepAlive(g)
			})
		}
	}
}

func clones(l []object.Change) []object.Change {
	out := make([]object.Change, len(l))
	for i, c := range l {
		out[i] = object.Change{Key: string([]byte(c.Key)), Value: bytes.Clone(c.Value)}
	}
	return out
}

// heap is what is in use. One collection is not enough: a sync.Pool of an earlier test keeps
// what it has for one more, and what has a finalizer is freed by the next.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
