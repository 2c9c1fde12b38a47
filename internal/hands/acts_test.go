//go:build linux

package hands

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sessile/sessile/internal/life"
)

// harm is what an act does to the file that the store has open.
type harm uint8

const (
	none   harm = iota // the file stays the store's own: nothing is lost
	away               // what is at the path is not the file, until the act is undone
	ruined             // what was in the file, or in its WAL, is lost
)

// act is what other hands do.
type act struct {
	name    string
	harm    harm
	mayFail bool // the store may call itself failed, though nothing is lost
	volume  bool // it needs a small volume
	do      func(r *round) (undo func() error, err error)
}

// choose draws what a round does: an act, and often others beside it that do no harm.
func choose(random *rand.Rand, only string) []*act {
	all := acts()
	if only == "" {
		all = slices.DeleteFunc(all, func(a *act) bool { return a.volume && os.Getenv(inWorld) == "" })
		chosen := []*act{all[random.IntN(len(all))]}
		beside := slices.DeleteFunc(shellActs(), func(a *act) bool { return a.harm != none || chosen[0].harm != none && !a.mayFail })
		if random.IntN(5) < 2 && len(beside) > 0 {
			chosen = append(chosen, beside[random.IntN(len(beside))])
		}
		return chosen
	}
	var chosen []*act
	for name := range strings.SplitSeq(only, "+") {
		i := slices.IndexFunc(all, func(a *act) bool { return a.name == name })
		if i < 0 {
			panic("there is no act " + name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen
}

func acts() []*act { return slices.Concat(shellActs(), fileActs(), besideActs()) }

// shellActs are what is done with the sqlite3 shell.
func shellActs() []*act {
	return []*act{
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
			r.foreign = true // to another connection a WAL that begins anew looks like a write
			_, err := sql(r.path, `PRAGMA wal_checkpoint(`+mode+`);`)
			return err
		})},
		{name: "rollback journal", do: once(func(r *round) error { // refused while somebody has the file open
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
		{name: "deletes", do: once(deleteVictims)},
		{name: "expires", do: once(func(r *round) error {
			return r.victims.end(r.victims.take(1+r.rand.IntN(3)), life.Destroy,
				`UPDATE activity SET expires_at = 1 WHERE key IN (SELECT key FROM session WHERE id IN (%s));`)
		})},
		{name: "changes tokens", do: once(func(r *round) error {
			taken := r.victims.take(1 + r.rand.IntN(3))
			r.victims.dirty(taken)
			return r.victims.end(taken, life.Rotate, `UPDATE session SET token_hash = randomblob(32) WHERE id IN (%s);`)
		})},
		{name: "changes data", do: once(func(r *round) error { return r.victims.set(r.victims.take(1 + r.rand.IntN(2))) })},
		{name: "deletes all", do: once(deleteAll)},
	}
}

// once makes an act of what needs no undoing.
func once(do func(*round) error) func(*round) (func() error, error) {
	return func(r *round) (func() error, error) { return nil, do(r) }
}

func deleteVictims(r *round) error {
	taken := r.victims.take(1 + r.rand.IntN(4))
	if r.rand.IntN(2) == 0 {
		r.victims.dirty(taken)
	}
	return r.victims.end(taken, life.Destroy,
		`BEGIN; DELETE FROM activity WHERE key IN (SELECT key FROM session WHERE id IN (%s)); DELETE FROM session WHERE id IN (%s); COMMIT;`)
}

// deleteAll deletes every row while no client is at work. The clients go on as others.
func deleteAll(r *round) error {
	var err error
	r.alone(func() {
		ids := r.journal.sessions()
		r.journal.say(life.Note{Op: life.Destroy, Stage: life.Begun, IDs: ids})
		for _, w := range r.workers {
			w.c.Drop(w.c.User + "'")
		}
		r.foreign = true
		_, err = sql(r.path, `BEGIN; DELETE FROM session; DELETE FROM activity; COMMIT;`)
		r.journal.ended(ids, err == nil)
		if err == nil {
			r.victims.free = len(r.victims.all)
			r.victims.expect(r.victims.all, victim{gone: true, over: true})
		}
	})
	return err
}

// restoreBackup has the shell write a backup over the rows, as a transaction: what is
// younger than the backup is gone, and what was ended since is there again. The clients
// go on as others.
func restoreBackup(r *round) error {
	copied := filepath.Join(r.dir, "copy.db")
	if _, err := sql(r.path, `.backup '`+copied+`'`); err != nil {
		return err
	}
	<-time.After(100 * time.Millisecond)
	r.with(func(c *life.Client) { c.Doubtful = true })
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

// shellBackup copies the file with the shell. The copy must be whole.
func (r *round) shellBackup(statement string) error {
	to := filepath.Join(r.dir, "copy.db")
	if _, err := sql(r.path, fmt.Sprintf(statement, to)); err != nil {
		return err
	}
	r.add(life.Integrity(to))
	return os.Remove(to)
}

// dirty gives victims a change that waits for the disk.
func (v *victims) dirty(taken []*victim) {
	for _, one := range taken {
		now := time.Now()
		_ = v.r.store.Touch(v.r.ctx, one.id, now, now.Add(time.Hour))
	}
}
