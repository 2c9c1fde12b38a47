// Package power tests what survives a power cut. It records what a store writes and syncs, and what it
// acknowledges meanwhile. From the record it builds the files that a power cut at any moment may leave.
// Data that was written but not synced is kept, dropped, torn or garbled by sectors, in any order. Names
// that were created or deleted but not synced may exist or not. The package does not know what is in
// the files.
package power

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sessile/sessile/internal/faultvfs"
)

// sector is the unit that a disk writes completely or not at all, in bytes.
const sector = 512

// write is a change of a file that is not synced yet.
type write struct {
	off  int64
	data []byte
	cut  bool // off is the new size
}

// inode is a file, whatever its name.
type inode struct {
	durable []byte
	pending []write
}

// Disk is what is certainly on a disk, and what may be.
type Disk struct {
	names  map[string]*inode // as programs see them
	stored map[string]*inode // as the directory on disk has them
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{names: make(map[string]*inode), stored: make(map[string]*inode)} }

// Do makes the change of a call. The name of a new journal or WAL becomes durable at the first sync of
// the file, because SQLite then syncs the directory too.
func (d *Disk) Do(c faultvfs.Call) {
	f := d.names[c.Path]
	if f == nil && c.Op != faultvfs.Delete {
		f = &inode{}
		d.names[c.Path] = f
	}
	switch c.Op {
	case faultvfs.Write:
		f.pending = append(f.pending, write{off: c.Off, data: c.Data})
	case faultvfs.Truncate:
		f.pending = append(f.pending, write{off: c.Off, cut: true})
	case faultvfs.Sync:
		for _, w := range f.pending {
			f.durable = w.apply(f.durable)
		}
		f.pending = nil
		if d.stored[c.Path] != f && (strings.HasSuffix(c.Path, "-wal") || strings.HasSuffix(c.Path, "-journal")) {
			d.stored = maps.Clone(d.names)
		}
	case faultvfs.Delete:
		delete(d.names, c.Path)
		if c.Dir {
			d.stored = maps.Clone(d.names)
		}
	}
}

// FailSync makes a sync fail. The system then considers the pending writes done and never retries them.
// Some or none of them are on disk.
func (d *Disk) FailSync(path string, r *rand.Rand) {
	f := d.names[path]
	if f == nil {
		return
	}
	if r.IntN(2) == 0 {
		f.durable = sectors(f.durable, f.pending, r, false)
	}
	f.pending = nil
}

func (w write) apply(img []byte) []byte {
	if w.cut {
		if w.off < int64(len(img)) {
			img = img[:w.off]
		}
		return img
	}
	if more := int(w.off) + len(w.data) - len(img); more > 0 {
		img = append(img, make([]byte, more)...)
	}
	copy(img[w.off:], w.data)
	return img
}

// pieces splits a write at sector boundaries.
func (w write) pieces() (list []write) {
	for off, data := w.off, w.data; len(data) > 0; {
		n := min(len(data), int(sector-off%sector))
		list = append(list, write{off: off, data: data[:n]})
		off, data = off+int64(n), data[n:]
	}
	return list
}

// sectors applies a random subset of the writes, sector by sector.
func sectors(img []byte, pending []write, r *rand.Rand, garbage bool) []byte {
	for _, w := range pending {
		if w.cut && r.IntN(2) == 0 {
			img = w.apply(img)
		}
		for _, p := range w.pieces() {
			switch r.IntN(4) {
			case 0, 1:
				img = p.apply(img)
			case 2:
				if garbage {
					p.data = slices.Clone(p.data)
					for i := range p.data {
						p.data[i] = byte(r.Uint32())
					}
					img = p.apply(img)
				}
			}
		}
	}
	return img
}

// image returns what a power cut may leave of a file.
func (f *inode) image(r *rand.Rand) []byte {
	img := slices.Clone(f.durable)
	switch r.IntN(5) {
	case 0: // none of the writes
	case 1: // all of them
		for _, w := range f.pending {
			img = w.apply(img)
		}
	case 2: // in order, up to a torn write
		n := r.IntN(len(f.pending) + 1)
		for _, w := range f.pending[:n] {
			img = w.apply(img)
		}
		if n < len(f.pending) {
			p := f.pending[n].pieces()
			for _, w := range p[:r.IntN(len(p)+1)] {
				img = w.apply(img)
			}
		}
	case 3:
		img = sectors(img, f.pending, r, false)
	default:
		img = sectors(img, f.pending, r, true)
	}
	return img
}

// Cut writes the files that a power cut now may leave to a directory.
func (d *Disk) Cut(r *rand.Rand, dir string) error {
	all := maps.Clone(d.stored)
	maps.Copy(all, d.names)
	for _, path := range slices.Sorted(maps.Keys(all)) { // sorted, so that only r decides
		f := d.names[path]
		if d.stored[path] != f && r.IntN(2) == 0 {
			f = d.stored[path]
		}
		if f == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), f.image(r), 0o600); err != nil {
			return err
		}
	}
	return nil
}
