// Package power proves what survives a power cut (checklist R2, R5): it records
// what a store writes and syncs and what it acknowledges meanwhile, and makes
// from the record the files as a cut at any moment may leave them. What was
// written and not synced is kept, dropped, torn or turned into garbage by sectors,
// in any order; names that were made or removed and not synced are there or not.
// It refuses to know what is in the files. It is for tests.
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

// sector is what a disk writes whole or not at all, bytes.
const sector = 512

// write is a change of a file that is not synced yet.
type write struct {
	off  int64
	data []byte
	cut  bool // off is the new size instead
}

// inode is a file, whatever its name.
type inode struct {
	durable []byte
	pending []write
}

// Disk is what is on a disk for sure, and what may be.
type Disk struct {
	names  map[string]*inode // as programs see them
	stored map[string]*inode // as the directory has them on disk
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{names: make(map[string]*inode), stored: make(map[string]*inode)} }

// Do does what a program asks for. A file that is created gets its name durable
// when it is first synced, if it is a journal or WAL: SQLite then syncs the directory.
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

// FailSync is a sync that failed: the system takes what was to be written for
// written, and never tries again. Some of it is on disk, or nothing.
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

// pieces are the parts of a write that go to different sectors.
func (w write) pieces() (list []write) {
	for off, data := w.off, w.data; len(data) > 0; {
		n := min(len(data), int(sector-off%sector))
		list = append(list, write{off: off, data: data[:n]})
		off, data = off+int64(n), data[n:]
	}
	return list
}

// sectors applies any of the writes, sector by sector.
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

// image is what a cut may leave of a file.
func (f *inode) image(r *rand.Rand) []byte {
	img := slices.Clone(f.durable)
	switch r.IntN(5) {
	case 0: // nothing
	case 1: // everything
		for _, w := range f.pending {
			img = w.apply(img)
		}
	case 2: // in order, up to a write that is torn
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

// Cut writes the files as a power cut now may leave them to a directory.
func (d *Disk) Cut(r *rand.Rand, dir string) error {
	all := maps.Clone(d.stored)
	maps.Copy(all, d.names)
	for _, path := range slices.Sorted(maps.Keys(all)) { // sorted, so that r decides alone
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
