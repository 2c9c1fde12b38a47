//go:build linux

package foreign

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

// harm is the damage of an action to the file that the store has open.
type harm uint8

const (
	none   harm = iota // the file remains the store's own: nothing is lost
	away               // another file, or none, is at the path until the action is undone
	ruined             // the content of the file or of its WAL is lost
)

// action is something that another program does.
type action struct {
	name    string
	harm    harm
	mayFail bool // the store may report a failure, although nothing is lost
	volume  bool // needs a small volume
	do      func(r *round) (undo func() error, err error)
}

// choose draws the actions of a round: one, and often others that do no harm.
func choose(random *rand.Rand, only string) []*action {
	all := actions()
	if only == "" {
		all = slices.DeleteFunc(all, func(a *action) bool { return a.volume && os.Getenv(inNamespace) == "" })
		chosen := []*action{all[random.IntN(len(all))]}
		beside := slices.DeleteFunc(shellActions(), func(a *action) bool { return a.harm != none || chosen[0].harm != none && !a.mayFail })
		if random.IntN(5) < 2 && len(beside) > 0 {
			chosen = append(chosen, beside[random.IntN(len(beside))])
		}
		return chosen
	}
	var chosen []*action
	for name := range strings.SplitSeq(only, "+") {
		i := slices.IndexFunc(all, func(a *action) bool { return a.name == name })
		if i < 0 {
			panic("there is no action " + name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen
}

func actions() []*action { return slices.Concat(shellActions(), fileActions(), companionActions()) }

// shellActions are the actions with the sqlite3 shell.
func shellActions() []*action {
	return []*action{
		{name: "cron writes a table", do: once(func(r *round) error {
			r.foreign = true
			_, err := sql(r.path, `CREATE TABLE IF NOT EXISTS cron (x); INSERT INTO cron VALUES (1);`)
			return err
		})},
		{name: "alters the schema", do: once(func(r *round) error {
			r.foreign = true
			_, err := sql(r.path, `CREATE INDEX cron_ip ON session (ip_address); ALTER TABLE session ADD COLUMN cron TEXT;`)
			return err
		})},
		{name: "restores a backup", do: once(restoreBackup)},
		{name: "vacuum", do: once(func(r *round) error {
			r.foreign = true
			_, err := sql(r.path, `VACUUM;`)
			return err
		})},
		{name: "checkpoint", do: once(func(r *round) error {
			mode := []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[r.rand.IntN(4)]
			r.foreign = true // to another connection, a restarted WAL looks like a write
			_, err := sql(r.path, `PRAGMA wal_checkpoint(`+mode+`);`)
			return err
		})},
		{name: "rollback journal", do: once(func(r *round) error { // refused while the file is open elsewhere
			_, err := sql(r.path, `PRAGMA journal_mode = DELETE;`)
			return err
		})},
		{name: "write lock", do: func(r *round) (func() error, error) {
			return hold(r.path, []string{`BEGIN IMMEDIATE;`, `BEGIN EXCLUSIVE;`}[r.rand.IntN(2)])
		}},
		{name: "open reader", do: func(r *round) (func() error, error) {
			return hold(r.path, `BEGIN; SELECT count(*) FROM session;`)
		}},
		{name: "backup", do: once(func(r *round) error { return r.shellBackup(`.backup '%s'`) })},
		{name: "vacuum into", do: once(func(r *round) error { return r.shellBackup(`VACUUM INTO '%s';`) })},
		{name: "deletes", do: once(deleteTargets)},
		{name: "expires", do: once(func(r *round) error {
			return r.targets.end(r.targets.take(1+r.rand.IntN(3)), ledger.Destroy,
				`UPDATE activity SET expires_at = 1 WHERE key IN (SELECT key FROM session WHERE id IN (%s));`)
		})},
		{name: "changes tokens", do: once(func(r *round) error {
			taken := r.targets.take(1 + r.rand.IntN(3))
			r.targets.dirty(taken)
			return r.targets.end(taken, ledger.Rotate, `UPDATE session SET token_hash = randomblob(32) WHERE id IN (%s);`)
		})},
		{name: "changes data", do: once(func(r *round) error { return r.targets.set(r.targets.take(1 + r.rand.IntN(2))) })},
		{name: "deletes all", do: once(deleteAll)},
	}
}

// once makes an action that needs no undo.
func once(do func(*round) error) func(*round) (func() error, error) {
	return func(r *round) (func() error, error) { return nil, do(r) }
}

func deleteTargets(r *round) error {
	taken := r.targets.take(1 + r.rand.IntN(4))
	if r.rand.IntN(2) == 0 {
		r.targets.dirty(taken)
	}
	return r.targets.end(taken, ledger.Destroy,
		`BEGIN; DELETE FROM activity WHERE key IN (SELECT key FROM session WHERE id IN (%s)); DELETE FROM session WHERE id IN (%s); COMMIT;`)
}

// deleteAll deletes every row while no client is working. The clients then continue as other users.
func deleteAll(r *round) error {
	var err error
	r.alone(func() {
		ids := r.history.sessions()
		r.history.add(ledger.Entry{Op: ledger.Destroy, Stage: ledger.Begun, IDs: ids})
		for _, w := range r.workers {
			w.c.Drop(w.c.User + "'")
		}
		r.foreign = true
		_, err = sql(r.path, `BEGIN; DELETE FROM session; DELETE FROM activity; COMMIT;`)
		r.history.ended(ids, err == nil)
		if err == nil {
			r.targets.free = len(r.targets.all)
			r.targets.expect(r.targets.all, target{gone: true, over: true})
		}
	})
	return err
}

// restoreBackup makes the shell write a backup over the rows in a transaction. Newer changes are then gone, and
// sessions that ended since exist again. The clients continue as other users.
func restoreBackup(r *round) error {
	copied := filepath.Join(r.dir, "copy.db")
	if _, err := sql(r.path, `.backup '`+copied+`'`); err != nil {
		return err
	}
	<-time.After(100 * time.Millisecond)
	r.with(func(c *harness.Client) { c.Distrust = true })
	r.foreign = true
	_, err := sql(r.path, `.restore '`+copied+`'`)
	for _, w := range r.workers {
		w.mu.Lock()
		w.c.Drop(w.c.User + "'")
		w.mu.Unlock()
	}
	r.rewritten = time.Now()
	return errors.Join(err, os.Remove(copied))
}

// shellBackup copies the file with the shell. The copy must be complete.
func (r *round) shellBackup(statement string) error {
	to := filepath.Join(r.dir, "copy.db")
	if _, err := sql(r.path, fmt.Sprintf(statement, to)); err != nil {
		return err
	}
	r.add(ledger.Integrity(to))
	return os.Remove(to)
}

// dirty gives targets a pending change.
func (v *targets) dirty(taken []*target) {
	for _, one := range taken {
		now := time.Now()
		_ = v.r.store.Touch(v.r.ctx, one.id, now, now.Add(time.Hour))
	}
}
