package persisttest

import (
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sessile/sessile/persist"
)

// broken is a Memory with one fault.
type broken struct {
	*Memory
	dead   map[persist.ID]*persist.Record // every session that ever existed
	fault  fault
	search Hooks
}

// fault breaks Apply. It runs before the call, and the function that it returns runs after.
type fault func(b *broken, batch *persist.Batch) func(*persist.Result)

// backend returns the backend that the suite has to reject.
func (b *broken) backend() persist.Backend {
	var after func(*persist.Result)
	if b.fault == nil {
		return Hook(b.Memory, b.search)
	}
	return Hook(b.Memory, Hooks{
		Before: On(Apply, func(c *Call) {
			own := *c.Batch
			own.Ops = slices.Clone(own.Ops)
			after, c.Batch = b.fault(b, &own), &own
		}),
		After: On(Apply, func(c *Call) {
			if c.Err == nil && after != nil {
				after(&c.Result)
			}
			for _, r := range b.rows {
				old := clone(r)
				b.dead[r.ID] = &old
			}
		}),
	})
}

// revive restores a session to its last state.
func (b *broken) revive(id persist.ID) {
	if r := b.dead[id]; r != nil && b.rows[id] == nil {
		back := clone(r)
		b.rows[id], b.tokens[back.Hash] = &back, &back
	}
}

func faults() map[string]fault {
	return map[string]fault{
		"touch upserts": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			return func(res *persist.Result) {
				for i, o := range res.Touches {
					if o.Status == persist.StatusGone {
						b.revive(batch.Touches[i].Ref.ID)
					}
				}
			}
		},
		"write upserts": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			return func(res *persist.Result) {
				for i, o := range res.Writes {
					if o.Status == persist.StatusGone {
						b.revive(batch.Writes[i].Ref.ID)
					}
				}
			}
		},
		"write ignores the version": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Writes {
				if r := b.rows[batch.Writes[i].Ref.ID]; r != nil {
					r.Version = batch.Writes[i].If
				}
			}
			return nil
		},
		"last active goes back": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			for _, x := range batch.Touches {
				if r := b.rows[x.Ref.ID]; r != nil {
					r.LastActive = 0
				}
			}
			return nil
		},
		"times are not taken back": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Touches {
				batch.Touches[i].Retime = nil
			}
			return nil
		},
		"the clock is forgotten": func(b *broken, _ *persist.Batch) func(*persist.Result) {
			return func(*persist.Result) { b.clock = 0 }
		},
		"create overwrites": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			for _, op := range batch.Ops {
				if op.Kind == persist.OpCreate && op.Record != nil && op.Record.Identity != nil {
					if r := b.tokens[op.Record.Hash]; r != nil && r.ID != op.Record.ID {
						b.remove([]*persist.Record{r})
					}
				}
			}
			return nil
		},
		"no limit": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Ops {
				batch.Ops[i].Limit = persist.Limit{}
			}
			return nil
		},
		"replaces nothing": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Ops {
				batch.Ops[i].Replaces = persist.ID{}
			}
			return nil
		},
		"replaces before it is sure": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			for _, op := range batch.Ops {
				if r := b.rows[op.Replaces]; op.Kind == persist.OpCreate && r != nil {
					b.remove([]*persist.Record{r})
				}
			}
			return nil
		},
		"destroys are acknowledged and not done": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			return func(*persist.Result) {
				for _, op := range batch.Ops {
					if op.Kind == persist.OpDestroy {
						b.revive(op.Ref.ID)
					}
				}
			}
		},
		"spares nobody": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Ops {
				batch.Ops[i].Except = persist.ID{}
			}
			return nil
		},
		"a piece has no bound": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Ops {
				batch.Ops[i].Max = 0
			}
			return nil
		},
		"a piece begins anew": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Ops {
				batch.Ops[i].Through = 0
			}
			return nil
		},
		"a piece reports that it is the last": func(*broken, *persist.Batch) func(*persist.Result) {
			return func(res *persist.Result) {
				for i := range res.Ops {
					res.Ops[i].Through = 0
				}
			}
		},
		"expire asks nothing": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			for i := range batch.Ops {
				if batch.Ops[i].Kind == persist.OpExpire {
					batch.Ops[i].Kind = persist.OpDestroy
				}
			}
			return nil
		},
		"rotation leaves the old hash": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			return func(*persist.Result) {
				for _, op := range batch.Ops {
					if r := b.rows[op.Ref.ID]; op.Kind == persist.OpRotate && r != nil && b.dead[r.ID] != nil {
						b.tokens[b.dead[r.ID].Hash] = r
						if b.dead[r.ID].Rotation != nil {
							b.tokens[b.dead[r.ID].Previous] = r
						}
					}
				}
			}
		},
		"a seen successor is replaced": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			for _, op := range batch.Ops {
				if r := b.rows[op.Ref.ID]; op.Lost != (persist.Hash{}) && r != nil && r.Rotation != nil {
					r.Until = persist.Unseen
				}
			}
			return nil
		},
		"a lost successor lives on": func(b *broken, batch *persist.Batch) func(*persist.Result) {
			return func(*persist.Result) {
				for _, op := range batch.Ops {
					if r := b.rows[op.Ref.ID]; op.Lost != (persist.Hash{}) && r != nil {
						b.tokens[op.Lost] = r
					}
				}
			}
		},
		"operations run backwards": func(_ *broken, batch *persist.Batch) func(*persist.Result) {
			slices.Reverse(batch.Ops)
			return func(res *persist.Result) { slices.Reverse(res.Ops) }
		},
		"outcomes are not aligned": func(*broken, *persist.Batch) func(*persist.Result) {
			return func(res *persist.Result) { slices.Reverse(res.Writes) }
		},
	}
}

// searchFaults break Search and Count.
func searchFaults(m *Memory) map[string]Hooks {
	before := func(hook func(*persist.Query)) Hooks {
		return Hooks{Before: On(Search, func(c *Call) { hook(&c.Query) })}
	}
	after := func(hook func(*Call)) Hooks { return Hooks{After: On(Search, hook)} }
	return map[string]Hooks{
		"search takes a filter for a pattern": before(func(q *persist.Query) { q.Device = strings.ReplaceAll(q.Device, "%", "") }),
		"search ignores the user":             before(func(q *persist.Query) { q.User = persist.UserKey{} }),
		"search ignores the address":          before(func(q *persist.Query) { q.IPAddress = "" }),
		"search accepts any page size":        before(func(q *persist.Query) { q.Limit = min(max(q.Limit, 1), persist.MaxPage) }),
		"search accepts any cursor":           before(func(q *persist.Query) { q.Before = max(q.Before, 0) }),
		"search lists the oldest first":       after(func(c *Call) { slices.Reverse(c.Page.Records) }),
		"search ends early":                   after(func(c *Call) { c.Page.Next = 0 }),
		"search repeats a session": after(func(c *Call) {
			if c.Page.Next > 0 {
				c.Page.Next++
			}
		}),
		"search tells case apart": after(func(c *Call) {
			c.Page.Records = slices.DeleteFunc(c.Page.Records, func(r persist.Record) bool { return !strings.Contains(r.UserAgent+r.DeviceName, c.Query.Device) })
		}),
		"search looks at every row": after(func(c *Call) {
			for q := c.Query; len(c.Page.Records) == 0 && c.Page.Next > 0; {
				q.Before = c.Page.Next
				c.Page, c.Err = m.Search(c.Ctx, q)
			}
		}),
		"count ignores expired sessions": {After: On(Count, func(c *Call) {
			for _, r := range m.rows {
				if !active(r, now) {
					c.Count--
				}
			}
		})},
	}
}

// Negative control: a backend with any one fault fails the suite. The suite runs in a child
// process, because a test cannot expect a failure.
func TestSuiteNoticesABrokenBackend(t *testing.T) { // A2, R3
	const env = "PERSISTTEST_FAULT"
	if name, ok := os.LookupEnv(env); ok {
		Run(t, func(*testing.T) persist.Backend {
			b := &broken{Memory: NewMemory(), dead: map[persist.ID]*persist.Record{}, fault: faults()[name]}
			b.search = searchFaults(b.Memory)[name]
			return b.backend()
		})
		return
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(faults())), slices.Sorted(maps.Keys(searchFaults(nil)))) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteNoticesABrokenBackend$", "-test.v", "-rapid.nofailfile", "-rapid.checks=20", "-rapid.shrinktime=0s")
			cmd.Env = append(os.Environ(), env+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL") {
				t.Fatalf("the suite found nothing (%v)", err)
			}
			var found []string
			for line := range strings.Lines(string(out)) {
				if at, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: TestSuiteNoticesABrokenBackend/"); ok && strings.Count(at, "/") == 1 {
					found = append(found, strings.Fields(at)[0])
				}
			}
			if len(found) == 0 {
				t.Fatal("only the random comparison found it")
			}
			t.Logf("found by %v", found)
		})
	}
}
