package life

import (
	"context"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// What follows breaks a store, so that a harness can show that it would notice.

// early acknowledges a destroy before it is committed: with the next batch.
type early struct {
	*sqlite.DB
	held []persist.Op
}

// Early is a backend that acknowledges destroys before it commits them.
func Early(db *sqlite.DB) persist.Backend { return &early{DB: db} }

// Apply commits what is not a destroy, and the destroys of the batch before.
func (e *early) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	rest := *b
	rest.Ops = append([]persist.Op(nil), e.held...)
	var now []persist.Op
	for _, op := range b.Ops {
		if op.Kind == persist.Destroy {
			now = append(now, op)
		} else {
			rest.Ops = append(rest.Ops, op)
		}
	}
	var res persist.Result
	if rest.Len() > 0 {
		var err error
		if res, err = e.DB.Apply(ctx, &rest); err != nil {
			return res, err
		}
	}
	applied := res.Ops[len(res.Ops)-(len(rest.Ops)-len(e.held)):]
	res.Ops = nil
	for _, op := range b.Ops {
		if op.Kind == persist.Destroy {
			res.Ops = append(res.Ops, persist.Outcome{Status: persist.Applied})
			continue
		}
		res.Ops, applied = append(res.Ops, applied[0]), applied[1:]
	}
	e.held = now
	return res, nil
}

// lenient gives every rotation a grace.
type lenient struct{ *sqlite.DB }

// Lenient is a backend whose rotations leave the old token good.
func Lenient(db *sqlite.DB) persist.Backend { return lenient{db} }

// Apply commits b with a grace for every rotation.
func (l lenient) Apply(ctx context.Context, b *persist.Batch) (persist.Result, error) {
	kind := *b
	kind.Ops = append([]persist.Op(nil), b.Ops...)
	for i := range kind.Ops {
		if kind.Ops[i].Kind == persist.Rotate {
			kind.Ops[i].Until = persist.Unseen
		}
	}
	return l.DB.Apply(ctx, &kind)
}
