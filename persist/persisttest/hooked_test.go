package persisttest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sessile/sessile/persist"
)

// oneOfEach calls every method of a backend once and returns the errors by method.
func oneOfEach(ctx context.Context, b persist.Backend) map[Method]error {
	errs := make(map[Method]error)
	_, errs[Apply] = b.Apply(ctx, &persist.Batch{})
	_, errs[ByHash] = b.ByHash(ctx, persist.TokenKey{})
	_, errs[ByID] = b.ByID(ctx, persist.ID{1})
	_, errs[ByUser] = b.ByUser(ctx, persist.UserKey{ID: "ann"})
	_, _, errs[Expired] = b.Expired(ctx, 1, 0, 1)
	_, errs[Search] = b.Search(ctx, persist.Query{Limit: 1})
	_, errs[Count] = b.Count(ctx)
	errs[Watch] = b.Watch(ctx, nil)
	return errs
}

func TestHookedRunsItsHooksAroundEveryCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that Watch returns
	var before, after []Method
	h := Hook(NewMemory(), Hooks{
		Before: func(c *Call) { before = append(before, c.Method) },
		After:  func(c *Call) { after = append(after, c.Method) },
	})
	oneOfEach(ctx, h)
	HookedFile{h}.Look(nil)
	want := []Method{Apply, ByHash, ByID, ByUser, Expired, Search, Count, Watch, Look}
	if !slices.Equal(before, want) || !slices.Equal(after, want) {
		t.Errorf("before %v, after %v, want %v", before, after, want)
	}
}

func TestHookedFailDoesNotCallTheBackend(t *testing.T) {
	broken := errors.New("broken")
	h := Hook(nil, Hooks{Fail: func(*Call) error { return broken }}) // calling a nil backend would panic
	for method, err := range oneOfEach(t.Context(), h) {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestHookedBeforeChangesArgumentsAndAfterChangesResults(t *testing.T) {
	m := NewMemory()
	rec := &persist.Record{Identity: &persist.Identity{ID: persist.ID{1}, Deadline: persist.NoDeadline, UserID: "ann"}, Version: 1, Data: []byte("{}"), ExpiresAt: 9}
	h := Hook(m, Hooks{
		Before: func(c *Call) {
			if c.Method == Apply {
				c.Batch = &persist.Batch{Ops: []persist.Op{{Kind: persist.OpCreate, Record: rec}}}
			}
		},
		After: func(c *Call) {
			if c.Method == Apply {
				c.Result.Ops = nil
				c.Err = persist.ErrUnknown
			}
		},
	})
	res, err := h.Apply(t.Context(), &persist.Batch{})
	if len(res.Ops) > 0 || !errors.Is(err, persist.ErrUnknown) {
		t.Errorf("%v, %v", res, err)
	}
	h.Set(Hooks{})
	if got, err := h.ByID(t.Context(), rec.ID); err != nil || got.UserID != "ann" {
		t.Errorf("%v, %v", got.Identity, err)
	}
}

// fileMemory is a Memory that has the optional interfaces.
type fileMemory struct{ *Memory }

func (fileMemory) Look(persist.Sink) bool               { return true }
func (fileMemory) Inspect() persist.Info                { return persist.Info{Warning: "w"} }
func (fileMemory) Backup(context.Context, string) error { return persist.ErrUnavailable }

func TestHookedFileHasTheOptionalInterfacesOfItsBackend(t *testing.T) {
	h := HookedFile{Hook(fileMemory{NewMemory()}, Hooks{})}
	if !h.Look(nil) || h.Inspect().Warning != "w" || !errors.Is(h.Backup(t.Context(), ""), persist.ErrUnavailable) {
		t.Error("a call does not reach the backend")
	}
	h = HookedFile{Hook(NewMemory(), Hooks{})}
	if h.Look(nil) || h.Inspect() != (persist.Info{}) || !errors.Is(h.Backup(t.Context(), ""), errors.ErrUnsupported) {
		t.Error("a backend without them")
	}
}

func TestHookedKeepsTheContract(t *testing.T) {
	Run(t, func(*testing.T) persist.Backend { return Hook(NewMemory(), Hooks{}) })
}
