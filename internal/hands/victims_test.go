//go:build linux

package hands

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
	"github.com/sessile/sessile/internal/life"
	"github.com/sessile/sessile/persist"
)

// victim is a session that no client uses: other hands change its row, and the
// store must serve what they have made of it.
type victim struct {
	id    sessile.ID
	token sessile.Token
	done  <-chan struct{} // nil if nobody waits for its end

	since time.Time // when its row was changed, zero = it was not
	gone  bool      // its token must open nothing
	over  bool      // and its Done be closed
	n     int64     // else this is its value
	told  bool      // a breach
}

// victims are looked at all the time.
type victims struct {
	r    *round
	mu   sync.Mutex
	all  []*victim
	free int // those before it were changed
	n    int64
}

// create makes the victims. Some are watched, as a websocket does.
func (v *victims) create(c *life.Client) {
	for range 8 {
		c.Create(0)
	}
	var all []*victim
	for id, token := range c.Sessions() {
		one := &victim{id: id, token: token}
		if len(all)%2 == 0 {
			one.done = v.r.store.Done(v.r.ctx, id)
		}
		all = append(all, one)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = all
}

// take chooses so many victims that were not changed yet.
func (v *victims) take(n int) []*victim {
	n = min(n, len(v.all)-v.free)
	taken := v.all[v.free : v.free+n]
	v.free += n
	return taken
}

// end has the shell end the rows of victims by a statement whose %s is their ids.
// What makes the token open nothing may leave the session in its user's list.
func (v *victims) end(taken []*victim, op life.Op, statement string) error {
	var ids []sessile.ID
	var text []string
	for _, one := range taken {
		ids, text = append(ids, one.id), append(text, "x'"+hex.EncodeToString(one.id[:])+"'")
		v.r.journal.say(life.Note{Op: op, Stage: life.Begun, IDs: []sessile.ID{one.id}})
	}
	v.r.foreign = true
	_, err := sql(v.r.path, strings.ReplaceAll(statement, "%s", strings.Join(text, ",")))
	if op == life.Destroy {
		v.r.journal.ended(ids, err == nil)
	}
	if err == nil {
		v.expect(taken, victim{gone: true, over: op == life.Destroy})
	}
	return err
}

// set has the shell change the values of victims.
func (v *victims) set(taken []*victim) error {
	v.n += 1000
	for _, one := range taken {
		n := life.Note{Op: life.Update, Stage: life.Begun, IDs: []sessile.ID{one.id}, N: v.n, Wait: true}
		v.r.journal.say(n)
		_, err := sql(v.r.path, fmt.Sprintf(`UPDATE session SET data = CAST('{"n":%d}' AS BLOB) WHERE id = x'%s';`, v.n, hex.EncodeToString(one.id[:])))
		if err != nil {
			return err
		}
		v.r.foreign = true
		n.Stage = life.Done
		v.r.journal.say(n)
		v.expect([]*victim{one}, victim{n: v.n})
	}
	return nil
}

func (v *victims) expect(taken []*victim, want victim) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range taken {
		one.since, one.gone, one.over, one.n = time.Now(), want.gone, want.over, want.n
	}
}

// look holds the store to what became of the victims' rows.
func (v *victims) look() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if one.told || one.since.IsZero() || time.Since(one.since) < inTime+noise {
			continue
		}
		if late := v.judge(one); late != "" {
			one.told = true
			v.r.breach(life.Undone, "%s, %v after another program had changed the row of session %s", late, time.Since(one.since).Round(time.Millisecond), one.id)
		}
	}
}

// judge says what the store does wrong with a victim, "" if nothing.
func (v *victims) judge(one *victim) string {
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

// due is when the store must serve what became of every row.
func (v *victims) due() (at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if t := one.since.Add(inTime + noise + 5*pollGap); !one.since.IsZero() && t.After(at) {
			at = t
		}
	}
	return at
}

// watched reports whether somebody waits for the end of a victim.
func (v *victims) watched(id persist.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.ContainsFunc(v.all, func(one *victim) bool { return persist.ID(one.id) == id && one.done != nil })
}
