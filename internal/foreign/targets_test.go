//go:build linux

package foreign

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
	"github.com/sessile/sessile/persist"
)

// target is a session that no client uses. Other programs change its row, and the store must serve the new
// state.
type target struct {
	id    sessile.ID
	token sessile.Token
	done  <-chan struct{} // nil if nobody waits for its end

	since time.Time // when its row was changed, zero = not changed
	gone  bool      // its token must be refused
	over  bool      // its Done must be closed
	n     int64     // otherwise its value
	told  bool      // a violation was reported
}

// targets are all targets of a round. They are checked continuously.
type targets struct {
	r    *round
	mu   sync.Mutex
	all  []*target
	free int // index of the first unchanged target
	n    int64
}

// create creates the targets. Some are watched, like a websocket would.
func (v *targets) create(c *harness.Client) {
	for range 8 {
		c.Create(0)
	}
	var all []*target
	for id, token := range c.Sessions() {
		one := &target{id: id, token: token}
		if len(all)%2 == 0 {
			one.done = v.r.store.Done(v.r.ctx, id)
		}
		all = append(all, one)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = all
}

// take takes n targets that were not changed yet.
func (v *targets) take(n int) []*target {
	n = min(n, len(v.all)-v.free)
	taken := v.all[v.free : v.free+n]
	v.free += n
	return taken
}

// end makes the shell end the rows of targets, with a statement whose %s is their IDs. An end that only
// makes the token invalid may leave the session in its user's list.
func (v *targets) end(taken []*target, op ledger.Op, statement string) error {
	var ids []sessile.ID
	var text []string
	for _, one := range taken {
		ids, text = append(ids, one.id), append(text, "x'"+hex.EncodeToString(one.id[:])+"'")
		v.r.history.add(ledger.Entry{Op: op, Stage: ledger.Begun, IDs: []sessile.ID{one.id}})
	}
	v.r.foreign = true
	_, err := sql(v.r.path, strings.ReplaceAll(statement, "%s", strings.Join(text, ",")))
	if op == ledger.Destroy {
		v.r.history.ended(ids, err == nil)
	}
	if err == nil {
		v.expect(taken, target{gone: true, over: op == ledger.Destroy})
	}
	return err
}

// set makes the shell change the values of targets.
func (v *targets) set(taken []*target) error {
	v.n += 1000
	for _, one := range taken {
		n := ledger.Entry{Op: ledger.Update, Stage: ledger.Begun, IDs: []sessile.ID{one.id}, N: v.n, Wait: true}
		v.r.history.add(n)
		_, err := sql(v.r.path, fmt.Sprintf(`UPDATE session SET data = CAST('{"n":%d}' AS BLOB) WHERE id = x'%s';`, v.n, hex.EncodeToString(one.id[:])))
		if err != nil {
			return err
		}
		v.r.foreign = true
		n.Stage = ledger.Done
		v.r.history.add(n)
		v.expect([]*target{one}, target{n: v.n})
	}
	return nil
}

func (v *targets) expect(taken []*target, want target) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range taken {
		one.since, one.gone, one.over, one.n = time.Now(), want.gone, want.over, want.n
	}
}

// look checks the store against the current rows of the targets.
func (v *targets) look() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if one.told || one.since.IsZero() || time.Since(one.since) < inTime+noise {
			continue
		}
		if late := v.judge(one); late != "" {
			one.told = true
			v.r.report(ledger.Undone, "%s, %v after another program had changed the row of session %s", late, time.Since(one.since).Round(time.Millisecond), one.id)
		}
	}
}

// judge describes what the store does wrong with a target, or returns "".
func (v *targets) judge(one *target) string {
	ctx, cancel := context.WithTimeout(v.r.ctx, patience)
	defer cancel()
	s, err := v.r.store.ReadByToken(ctx, one.token)
	if !one.gone {
		n, _, _ := sessile.Get[int64](s, "n")
		switch {
		case errors.Is(err, sessile.ErrNotFound):
			return "it is not found"
		case err == nil && n != one.n:
			return fmt.Sprintf("its value is %d, not %d", n, one.n)
		}
		return ""
	}
	if err == nil {
		return "its token opens"
	}
	select {
	case <-one.done:
	default:
		if one.done != nil && one.over {
			return "its Done is open"
		}
	}
	return ""
}

// due returns when the store must serve the current state of every row.
func (v *targets) due() (at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if t := one.since.Add(inTime + noise + 5*pollGap); !one.since.IsZero() && t.After(at) {
			at = t
		}
	}
	return at
}

// watched reports whether somebody waits for the end of a target.
func (v *targets) watched(id persist.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.all, func(one *target) bool { return persist.ID(one.id) == id && one.done != nil })
}
