package persisttest

import (
	"context"
	"slices"

	"github.com/sessile/sessile/persist"
)

// Search returns a page of the stored sessions. It looks at ten rows per session that it may
// return, so that callers have to handle pages that end early.
func (m *Memory) Search(ctx context.Context, q persist.Query) (p persist.Page, err error) {
	if err := ctx.Err(); err != nil {
		return p, err
	}
	if err := q.Check(); err != nil || !q.Storable() {
		return p, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := m.where(func(r *persist.Record) bool { return q.Before == 0 || r.Key < q.Before })
	slices.Reverse(rows)
	size, most := 0, min(10*q.Limit, persist.MaxExamined)
	for i, r := range rows {
		if len(p.Records) == q.Limit || size >= persist.MaxPageBytes || i == most {
			p.Next = rows[i-1].Key
			break
		}
		if q.Match(r.Identity) {
			size += len(r.Data)
			p.Records = append(p.Records, clone(r))
		}
	}
	return p, nil
}

// Count returns how many sessions are stored.
func (m *Memory) Count(ctx context.Context) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows), ctx.Err()
}
