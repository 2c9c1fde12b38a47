//go:build linux

package foreign

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fileActions are the actions on the session file itself.
func fileActions() []*action {
	return []*action{
		{name: "moved away", harm: away, do: func(r *round) (func() error, error) { return r.swap(nil) }},
		{name: "removed", harm: away, do: func(r *round) (func() error, error) {
			keep := r.path + ".kept" // a hard link, like a snapshot tool would make
			return func() error { _ = os.Remove(r.path); return os.Rename(keep, r.path) },
				errors.Join(os.Link(r.path, keep), os.Remove(r.path))
		}},
		{name: "backup moved over", harm: away, do: func(r *round) (func() error, error) {
			return r.swap(func() error { return r.copyHere() })
		}},
		{name: "empty file in its place", harm: away, do: func(r *round) (func() error, error) {
			return r.swap(func() error { return os.WriteFile(r.path, nil, 0o600) })
		}},
		{name: "pipe in its place", harm: away, do: func(r *round) (func() error, error) {
			return r.swap(func() error { return syscall.Mkfifo(r.path, 0o600) })
		}},
		{name: "symlink in its place", harm: away, do: func(r *round) (func() error, error) {
			return r.swap(func() error { return os.Symlink("s.db.kept", r.path) })
		}},
		{name: "all moved away", harm: away, do: func(r *round) (func() error, error) { return r.moveAll() }},
		{name: "directory moved", harm: away, do: func(r *round) (func() error, error) {
			d := filepath.Dir(r.path)
			return func() error { return os.Rename(d+".moved", d) }, os.Rename(d, d+".moved")
		}},
		{name: "directory replaced", harm: away, do: func(r *round) (func() error, error) {
			d := filepath.Dir(r.path)
			return func() error { return errors.Join(os.RemoveAll(d), os.Rename(d+".moved", d)) },
				errors.Join(os.Rename(d, d+".moved"), os.Mkdir(d, 0o700))
		}},
		{name: "backup copied over", harm: ruined, do: once(func(r *round) error {
			copied := filepath.Join(r.dir, "copy.db")
			if _, err := sql(r.path, `.backup '`+copied+`'`); err != nil {
				return err
			}
			<-time.After(100 * time.Millisecond) // sessions come and go
			if err := r.checkpointSometimes(); err != nil {
				return err
			}
			return cp(copied, r.path)
		})},
		{name: "truncated", harm: ruined, do: once(func(r *round) error {
			if err := r.checkpointSometimes(); err != nil {
				return err
			}
			info, err := os.Stat(r.path)
			if err != nil {
				return err
			}
			return os.Truncate(r.path, []int64{0, info.Size() / 2}[r.rand.IntN(2)])
		})},
		{name: "file mode", do: func(r *round) (func() error, error) {
			name := r.path + []string{"", "", "-wal", "-shm"}[r.rand.IntN(4)]
			return func() error { return os.Chmod(name, 0o600) }, os.Chmod(name, []os.FileMode{0, 0o400}[r.rand.IntN(2)])
		}},
		{name: "directory mode", mayFail: true, do: func(r *round) (func() error, error) {
			d := filepath.Dir(r.path)
			return func() error { return os.Chmod(d, 0o700) }, os.Chmod(d, []os.FileMode{0o500, 0}[r.rand.IntN(2)])
		}},
		{name: "hard link", do: func(r *round) (func() error, error) {
			link := filepath.Join(r.dir, "link.db")
			err := os.Link(r.path, link)
			r.another(link)
			return func() error { return os.Remove(link) }, err
		}},
		{name: "full volume", volume: true, do: fill},
		{name: "full volume beside a reader", volume: true, do: func(r *round) (func() error, error) {
			release, err := hold(r.path, `BEGIN; SELECT count(*) FROM session;`)
			if err != nil {
				return nil, err
			}
			free, err := fill(r)
			return func() error { // the reader stays while the store recovers
				r.later = append(r.later, release)
				return free()
			}, err
		}},
		{name: "full volume, then deletes", volume: true, do: func(r *round) (func() error, error) {
			free, err := fill(r)
			return func() error { return errors.Join(free(), deleteTargets(r)) }, err
		}},
	}
}

// swap moves the file aside and puts something in its place. Undo moves the file back and keeps the
// replacement as it was found.
func (r *round) swap(put func() error) (func() error, error) {
	keep := r.path + ".kept"
	if err := os.Rename(r.path, keep); err != nil {
		return nil, err
	}
	if r.rand.IntN(4) == 0 {
		r.another(keep)
	}
	var before []byte
	var err error
	if put != nil {
		err = put()
		before = read(r.path)
	}
	return func() error {
		info, err := os.Lstat(r.path)
		if put == nil && err == nil {
			r.report(touched, "a file was made where the session file had been moved away: %v", info.Mode())
		}
		if err == nil && info.Mode().IsRegular() && put != nil && !bytes.Equal(before, read(r.path)) {
			r.report(touched, "the file that replaced the session file was changed")
		}
		return os.Rename(keep, r.path)
	}, err
}

// read returns the content of a regular file.
func read(path string) []byte {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	b, _ := os.ReadFile(path)
	return b
}

// copyHere puts a copy of the moved file at the path.
func (r *round) copyHere() error {
	copied := filepath.Join(r.dir, "copy.db")
	if _, err := sql(r.path+".kept", `.backup '`+copied+`'`); err != nil {
		return err
	}
	return os.Rename(copied, r.path)
}

// moveAll moves the file away together with the files beside it.
func (r *round) moveAll() (func() error, error) {
	to := filepath.Join(r.dir, "kept")
	err := os.Mkdir(to, 0o700)
	move := func(from, to string) (err error) {
		for _, suffix := range []string{"-shm", "-wal", ""} {
			err = errors.Join(err, os.Rename(filepath.Join(from, "s.db"+suffix), filepath.Join(to, "s.db"+suffix)))
		}
		return err
	}
	here := filepath.Dir(r.path)
	return func() error { return move(to, here) }, errors.Join(err, move(here, to))
}

// another makes another process open a store on the same file, under any of its names. That must be refused.
func (r *round) another(path string) {
	info, err := os.Stat(path)
	if err != nil || !os.SameFile(info, r.file) {
		return
	}
	said, err := secondStore(path)
	r.note("a second store: %s %v", said, err)
	if err == nil && said == opened {
		r.report(two, "a second store opened %s", filepath.Base(path))
	}
}

// fill leaves little or no free space on the volume.
func fill(r *round) (func() error, error) {
	path := filepath.Join(filepath.Dir(r.path), "filler")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	size, err := f.Seek(0, 2)
	err = errors.Join(err, f.Truncate(max(0, size-r.rand.Int64N(100<<10))), f.Close())
	return func() error { return os.Remove(path) }, err
}
