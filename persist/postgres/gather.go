package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sessile/sessile/persist"
)

// question asks for one session.
type question struct {
	byID   bool
	id     persist.ID
	hash   persist.Hash
	answer chan found // has room for one answer: a reader does not wait for a caller that has left
}

// found is the answer.
type found struct {
	rec persist.Record
	err error
}

// mostQuestions bounds those that one query answers.
const mostQuestions = 256

var errClosed = fmt.Errorf("%w: the store is closed", persist.ErrUnavailable)

// ask puts a question to the readers and waits for the answer, or for the end of ctx.
func (d *DB) ask(ctx context.Context, q *question) (persist.Record, error) {
	if err := ctx.Err(); err != nil {
		return persist.Record{}, err
	}
	q.answer = make(chan found, 1)
	select {
	case d.questions <- q:
	case <-ctx.Done():
		return persist.Record{}, ctx.Err()
	case <-d.closed:
		return persist.Record{}, errClosed
	}
	select {
	case f := <-q.answer:
		return f.rec, f.err
	case <-ctx.Done():
		return persist.Record{}, ctx.Err()
	}
}

// reader answers questions until ctx ends. While all readers query, questions wait; the next query takes all that wait.
func (d *DB) reader(ctx context.Context) {
	defer d.readers.Done()
	for {
		select {
		case q := <-d.questions:
			d.answer(ctx, d.gather(q))
		case <-ctx.Done():
			return
		}
	}
}

// gather returns q and the questions that wait.
func (d *DB) gather(q *question) []*question {
	all := []*question{q}
	for len(all) < mostQuestions {
		select {
		case q := <-d.questions:
			all = append(all, q)
		default:
			return all
		}
	}
	return all
}

// answer answers questions with one query for each kind. A damaged page fails the query of everybody: then each has its own.
func (d *DB) answer(ctx context.Context, all []*question) {
	byID := slices.DeleteFunc(slices.Clone(all), func(q *question) bool { return !q.byID })
	byHash := slices.DeleteFunc(all, func(q *question) bool { return q.byID })
	for _, l := range [][]*question{byID, byHash} {
		if len(l) == 0 {
			continue
		}
		err := d.answerTogether(ctx, l)
		if errors.Is(err, persist.ErrCorrupt) && len(l) > 1 {
			for _, q := range l {
				d.answer(ctx, []*question{q})
			}
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				err = errClosed
			}
			for _, q := range l {
				q.answer <- found{err: err}
			}
		}
	}
}

const (
	byIDSQL   = columns + `WHERE s.id = ANY ($1)`
	byHashSQL = columns + `WHERE s.token_hash = ANY ($1) UNION ALL ` + columns + `WHERE s.previous_hash = ANY ($1)`
)

// answerTogether answers questions of one kind, or none of them if it returns an error.
func (d *DB) answerTogether(ctx context.Context, l []*question) error {
	text, keys := byHashSQL, make([][]byte, len(l))
	for i, q := range l {
		if keys[i] = q.hash[:]; q.byID {
			text, keys[i] = byIDSQL, q.id[:]
		}
	}
	ids := make(map[persist.ID]found, len(l))
	current, previous := make(map[persist.Hash]found, len(l)), make(map[persist.Hash]found, len(l))
	err := d.query(ctx, func(ctx context.Context) error {
		clear(ids)
		clear(current)
		clear(previous)
		rows, _ := d.reads.Query(ctx, d.sql(text), keys)
		return eachRecord(rows, func(r persist.Record, err error) {
			f := found{r, err}
			ids[r.ID], current[r.Hash] = f, f
			if r.Rotation != nil {
				previous[r.Previous] = f
			}
		})
	})
	if err != nil {
		return err
	}
	for _, q := range l {
		f, ok := ids[q.id]
		if !q.byID {
			if f, ok = current[q.hash]; !ok {
				f, ok = previous[q.hash]
			}
		}
		q.answer <- f.own(ok)
	}
	return nil
}

// own is an answer that shares nothing with another.
func (f found) own(ok bool) found {
	switch {
	case !ok:
		return found{err: persist.ErrNotFound}
	case f.err != nil:
		return found{err: f.err}
	}
	id := *f.rec.Identity
	f.rec.Identity = &id
	if f.rec.Rotation != nil {
		rot := *f.rec.Rotation
		f.rec.Rotation = &rot
	}
	f.rec.Data = slices.Clone(f.rec.Data)
	return f
}
