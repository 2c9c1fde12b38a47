package nodes

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// broken is a node's handle with one fault.
type broken struct {
	*persisttest.Hooked
	all    *sync.Map // the records of all nodes by ID, as they were created
	silent atomic.Bool
	read   sync.Map // when a row was read last, by ID
	frozen atomic.Pointer[chan struct{}]
	hasty  bool // sweeps without a grace
}

// Expired returns what is over.
func (b *broken) Expired(ctx context.Context, now, after int64, limit int) ([]persist.Ref, int64, error) {
	if b.hasty {
		now = 0
	}
	return b.Hooked.Expired(ctx, now, after, limit)
}

// news is a sink that loses events while lost says so. The lease is renewed all the same.
type news struct {
	persist.Sink
	lost func(persist.Event) bool
}

func (n news) Invalidate(events []persist.Event) {
	n.Sink.Invalidate(slices.DeleteFunc(slices.Clone(events), n.lost))
}

// losing has a node lose events while lost says so.
func losing(lost func(persist.Event) bool) persisttest.Hooks {
	return persisttest.Hooks{Before: persisttest.On(persisttest.Watch, func(c *persisttest.Call) { c.Sink = news{c.Sink, lost} })}
}

// silence loses the events, and lets the lease go on.
func (b *broken) silence() (mend func()) {
	b.silent.Store(true)
	return func() { b.silent.Store(false) }
}

// freeze has the next Apply hang until it is mended, whatever its context says.
func (b *broken) freeze() (mend func()) {
	thaw := make(chan struct{})
	b.frozen.Store(&thaw)
	return sync.OnceFunc(func() { close(thaw) })
}

// upsert creates a session anew that a touch has not found.
func (b *broken) upsert(c *persisttest.Call) {
	for _, op := range c.Batch.Ops {
		if op.Kind == persist.OpCreate {
			b.all.Store(op.Record.ID, *op.Record)
		}
	}
	for i, o := range c.Result.Touches {
		if r, ok := b.all.Load(c.Batch.Touches[i].Ref.ID); ok && o.Status == persist.StatusGone {
			old, _ := r.(persist.Record)
			_, _ = b.Backend.Apply(context.Background(), &persist.Batch{Ops: []persist.Op{{Kind: persist.OpCreate, Record: &old}}})
		}
	}
}

// faults break a node, each in one way.
func faults() map[string]func(b *broken, n *Node) persisttest.Hooks {
	return map[string]func(b *broken, n *Node) persisttest.Hooks{
		"a node without a lease": func(b *broken, n *Node) persisttest.Hooks {
			n.Silence = b.silence
			return losing(func(persist.Event) bool { return b.silent.Load() })
		},
		"touches that upsert": func(b *broken, _ *Node) persisttest.Hooks {
			return persisttest.Hooks{After: persisttest.On(persisttest.Apply, b.upsert)}
		},
		"rows that are kept whatever was told while they were read": func(b *broken, _ *Node) persisttest.Hooks {
			h := losing(func(ev persist.Event) bool {
				at, ok := b.read.Load(ev.ID)
				return ok && time.Since(at.(time.Time)) < persist.DefaultLease
			})
			h.After = func(c *persisttest.Call) {
				if c.Err == nil && (c.Method == persisttest.ByHash || c.Method == persisttest.ByID) {
					b.read.Store(c.Record.ID, time.Now())
				}
			}
			return h
		},
		"a sweep by the node's clock": func(*broken, *Node) persisttest.Hooks {
			return persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				own := *c.Batch
				own.Now = time.Now().Add(25 * time.Minute).UnixMicro()
				c.Batch = &own
			})}
		},
		"a sweep without a grace": func(b *broken, _ *Node) persisttest.Hooks {
			b.hasty = true
			return persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				own := *c.Batch
				own.Ops = slices.Clone(own.Ops)
				for i := range own.Ops {
					own.Ops[i].Grace = 0
				}
				c.Batch = &own
			})}
		},
		"an Apply that does not end": func(b *broken, n *Node) persisttest.Hooks {
			n.Freeze = b.freeze
			return persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(*persisttest.Call) {
				if thaw := b.frozen.Swap(nil); thaw != nil {
					<-*thaw
				}
			})}
		},
		"writes that ignore the version": func(b *broken, _ *Node) persisttest.Hooks {
			return persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
				own := *c.Batch
				own.Writes = slices.Clone(own.Writes)
				for i, w := range own.Writes {
					if r, err := b.Backend.ByID(context.Background(), w.Ref.ID); err == nil {
						own.Writes[i].If = r.Version
					}
				}
				c.Batch = &own
			})}
		},
		"a feed that tells nothing": func(*broken, *Node) persisttest.Hooks {
			return losing(func(persist.Event) bool { return true })
		},
	}
}

// TestSuiteNoticesABrokenNode is the negative control. The suite runs in a process of its own,
// since a test cannot expect to fail.
func TestSuiteNoticesABrokenNode(t *testing.T) {
	const env = "NODES_FAULT"
	if name, ok := os.LookupEnv(env); ok {
		RunVirtual(t, func(t *testing.T, n int) []Node {
			l, all := memory(t, n), new(sync.Map)
			for i := range l { // but the one that the suite itself looks through
				if i == n-2 {
					continue
				}
				b := &broken{all: all}
				b.Hooked = persisttest.Hook(l[i].Backend, persisttest.Hooks{})
				b.Set(faults()[name](b, &l[i]))
				l[i].Backend = b
			}
			return l
		})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(faults())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteNoticesABrokenNode$", "-test.v")
			cmd.Env = append(os.Environ(), env+"="+name)
			out, err := cmd.CombinedOutput()
			var found []string
			for line := range strings.Lines(string(out)) {
				if at, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: TestSuiteNoticesABrokenNode/"); ok {
					found = append(found, strings.Fields(at)[0])
				}
			}
			if err == nil || len(found) == 0 {
				t.Fatalf("the suite found nothing (%v)\n%s", err, out)
			}
			t.Logf("found by %v", found)
		})
	}
}
