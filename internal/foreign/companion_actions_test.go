//go:build linux

package foreign

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

// unrelated is a file of somebody else to which links may point.
type unrelated struct {
	r    *round
	path string
	text string
}

const unrelatedMode = 0o644

func newUnrelated(r *round) unrelated {
	b := unrelated{r, filepath.Join(r.dir, "unrelated"), "not yours " + rand.Text()}
	if err := errors.Join(os.WriteFile(b.path, []byte(b.text), unrelatedMode), os.Chmod(b.path, unrelatedMode)); err != nil {
		r.t.Fatal(err)
	}
	return b
}

// check checks that the file is unchanged.
func (b unrelated) check() {
	text, err := os.ReadFile(b.path)
	info, statErr := os.Stat(b.path)
	if err = errors.Join(err, statErr); err != nil {
		b.r.report(touched, "another file is gone: %v", err)
		return
	}
	if string(text) != b.text || info.Mode().Perm() != unrelatedMode {
		b.r.report(touched, "another file was changed: %d bytes, mode %v", len(text), info.Mode())
	}
}

// companionActions are the actions on the files beside the session file. No action writes to the -shm file or
// truncates it. That file is memory shared by every program that has the database open, so the next access of
// any of them, including the sqlite3 shell, would read garbage or crash (SIGBUS). Only a program without a
// shared index, and so without a second connection, would be safe.
func companionActions() []*action {
	return []*action{
		{name: "lock file removed", mayFail: true, do: once(func(r *round) error {
			err := os.Remove(r.path + ".lock")
			r.another(r.path)
			return err
		})},
		{name: "lock file replaced by a link", mayFail: true, do: func(r *round) (func() error, error) { return r.link(".lock") }},
		{name: "links before it opens", do: once(linked)},
		{name: "backup over a killed store", do: once(restored)},
		{name: "journal is a link", mayFail: true, do: func(r *round) (func() error, error) { return r.link("-journal") }},
		{name: "wal moved away and back", harm: ruined, do: once(func(r *round) error {
			back, err := r.aside("-wal")
			<-time.After(time.Duration(r.rand.IntN(1500)) * time.Millisecond)
			return errors.Join(err, back()) // over the one that the store may have created meanwhile
		})},
		{name: "wal removed", harm: ruined, do: once(func(r *round) error { return os.Remove(r.path + "-wal") })},
		{name: "wal replaced by a link", harm: ruined, do: once(func(r *round) error {
			_, err := r.link("-wal")
			return err
		})},
		{name: "wal replaced by noise", harm: ruined, do: once(func(r *round) error {
			noise := make([]byte, 4096)
			_, _ = rand.Read(noise)
			return errors.Join(os.Remove(r.path+"-wal"), os.WriteFile(r.path+"-wal", noise, 0o600))
		})},
		{name: "wal truncated", harm: ruined, do: once(func(r *round) error { return os.Truncate(r.path+"-wal", 0) })},
		{name: "shm removed", harm: ruined, do: once(func(r *round) error {
			err := os.Remove(r.path + "-shm")
			if r.rand.IntN(2) == 0 { // and a program writes that shares no lock with the store
				_, sqlErr := sql(r.path, `CREATE TABLE IF NOT EXISTS cron (x); INSERT INTO cron VALUES (1);`)
				err = errors.Join(err, sqlErr)
				r.foreign = true
			}
			return err
		})},
		{name: "shm replaced by a link", harm: ruined, do: once(func(r *round) error {
			_, err := r.link("-shm")
			return err
		})},
	}
}

// link replaces a file beside the session file by a link to an unrelated file. Undo removes the link.
func (r *round) link(suffix string) (func() error, error) {
	name := r.path + suffix
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	undo := func() error {
		if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return os.Remove(name)
		}
		return nil
	}
	return undo, os.Symlink(filepath.Join(r.dir, "unrelated"), name)
}

// aside moves a file beside the session file away. Undo moves it back.
func (r *round) aside(suffix string) (func() error, error) {
	name := r.path + suffix
	return func() error { return os.Rename(name+".kept", name) }, os.Rename(name, name+".kept")
}

// linked opens a store whose companion files are already links to an unrelated file. The store may refuse that
// or work without them, but it must not follow them.
func linked(r *round) error {
	dir := filepath.Join(r.dir, "linked")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	setup := r.setup
	setup.Path = filepath.Join(dir, "s.db")
	if r.rand.IntN(2) == 0 { // beside an existing file
		if err := r.copyTo(setup.Path); err != nil {
			return err
		}
	}
	suffix := []string{".lock", "-wal", "-shm", "-journal"}[r.rand.IntN(4)]
	_ = os.Remove(setup.Path + suffix)
	if err := os.Symlink(filepath.Join(r.dir, "unrelated"), setup.Path+suffix); err != nil {
		return err
	}
	store, err := setup.Open(r.ctx)
	r.note("opened beside a link at %s: %v", suffix, err)
	if err != nil {
		if !ledger.Documented(err) {
			r.report(ledger.Unnamed, "opening beside a link: %v", err)
		}
		return nil
	}
	return store.Close()
}

// restored copies a backup over the file of a killed store and leaves the WAL of that store in place. The next
// start must refuse that, or serve the backup. If the WAL has everything newer than the backup, it may also
// serve what the killed store had.
func restored(r *round) error {
	dir := filepath.Join(r.dir, "killed")
	killed, copied := filepath.Join(dir, "s.db"), filepath.Join(r.dir, "copy.db")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if _, err := sql(r.path, `.backup '`+copied+`'`); err != nil {
		return err
	}
	r.age()
	if err := r.checkpointSometimes(); err != nil {
		return err
	}
	r.age()
	whole := filepath.Join(r.dir, "whole.db") // nobody is at work while the store is killed
	var err error
	r.alone(func() { err = errors.Join(r.store.Sync(r.ctx), r.copyTo(killed), r.copyTo(whole), cp(copied, killed)) })
	if err != nil {
		return err
	}
	backup, err := rows(copied)
	if err != nil {
		return err
	}
	latest, err := rows(whole)
	if err != nil {
		return err
	}
	setup := r.setup
	setup.Path = killed
	store, err := setup.Open(r.ctx)
	r.note("opened a backup beside a foreign WAL: %v", err)
	if err != nil {
		if !ledger.Documented(err) {
			r.report(ledger.Unnamed, "opening a backup beside a foreign WAL: %v", err)
		}
		return nil
	}
	if err := store.Close(); err != nil {
		return err
	}
	r.add(ledger.Integrity(killed))
	if got, err := rows(killed); err != nil || got != backup && got != latest {
		r.report(ledger.Corrupt, "a backup beside the WAL of a killed store opens with %d rows, neither the %d of the backup nor the %d of the store, %v",
			strings.Count(got, "\n"), strings.Count(backup, "\n"), strings.Count(latest, "\n"), err)
	}
	return nil
}

// age makes changes that an older backup does not have.
func (r *round) age() {
	for range 10 {
		r.with(func(c *harness.Client) { c.Step(r.rand) })
	}
}

// rows returns the sessions in a file, read with the shell.
func rows(path string) (string, error) {
	return sql(path, `SELECT hex(id), hex(token_hash), hex(data) FROM session ORDER BY id;`)
}
