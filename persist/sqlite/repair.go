package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// repair replaces a writer that has met an I/O error. It needs no reader's leave: a
// reader of another program may stay for hours.
//
// What must not happen (D10):
//
//  1. COMMIT F writes its frames behind the last commit in the WAL. The fsync fails.
//     Linux takes the pages for clean: the cache has F, the disk may not.
//  2. F's caller gets ErrUnknown. The index of the WAL ends before F, so no
//     connection sees it.
//  3. Something has F taken for a commit: the index is made anew from the cache, or
//     the process is killed and the next start makes it.
//  4. Later commits stand behind F in the WAL, are synced and acknowledged.
//  5. Power is cut. On disk the WAL has a gap where F was, and all behind it is lost.
//
// Or, without a power cut: the next batch changes nothing ("it is already gone"),
// writes nothing, and is acknowledged. Then 3 makes F true after all.
//
// Three rules end it:
//
//   - The index is never made anew while the DB is open: some connection has it mapped
//     from Open to Close, the broken writer until the new one is there. So the index
//     ends before F, and the next commit overwrites F's first frame and syncs it. Each
//     frame's checksum covers those before it: what is left of F behind it is dead.
//     The same holds for frames that were written in part, or not at all.
//   - Everything before F is on disk: every COMMIT that returned nil had its fsync. Where
//     nobody knows, because another program wrote meanwhile or the process began with a
//     WAL that was there (see 3), every byte of the WAL is written and synced anew.
//   - Nothing is acknowledged before one commit that does write: this one. A checkpoint
//     that empties the WAL does as well, and gives a full disk its space back.
//
// A checkpoint has a story of its own. SQLite syncs the file only when the checkpoint
// reaches the end of the WAL:
//
//  1. A reader is in the way. The first 500 frames are copied to the file, not synced,
//     and noted as done.
//  2. The reader leaves. The next checkpoint copies the rest and syncs the file. The
//     fsync fails, and may have dropped the pages of 1, too.
//  3. The checkpoint after that copies the rest again, syncs, and empties the WAL. The
//     pages of 1 are nowhere.
//
// So the pages of frames that are noted as done are committed anew, as new frames,
// before the next checkpoint, and the last connection to close must be one that cannot
// make a checkpoint. That is why checkpoints are made by tidy: those that a COMMIT
// makes fail without a word.
func (d *DB) repair() error {
	if !d.broken {
		return nil
	}
	if err := d.replaceWriter(); err != nil {
		return fmt.Errorf("reopening after an I/O error: %w", err)
	}
	if err := d.lookAtFiles(); err != nil {
		return fmt.Errorf("reopening after an I/O error: %w", err)
	}
	if err := d.settle(); err != nil {
		return fmt.Errorf("reopening after an I/O error: %w", err)
	}
	if err := d.id.mark.learn(d.writer); err != nil {
		return fmt.Errorf("reopening after an I/O error: %w", err)
	}
	if err := d.learn(); err != nil {
		return fmt.Errorf("reopening after an I/O error: %w", err)
	}
	d.broken = false
	return nil
}

// replaceWriter opens another connection before it closes the old one, which is the
// last to know whether another program has written since our last commit.
func (d *DB) replaceWriter() error {
	c, err := d.connectWriter()
	if err != nil {
		return err
	}
	seen, err := queryInt(c, dataVersion)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	if before, err := queryInt(d.writer, dataVersion); err != nil || before != d.seen {
		d.foreign.Store(true)
		d.unsynced, d.others = true, true
	}
	_ = d.writer.Close() // given up because it failed
	d.writer, d.seen = c, seen
	return nil
}

// settle makes sure that what the writer sees is on disk, and that nothing else can
// become true: by emptying the WAL or, if a reader is in the way, by a commit.
func (d *DB) settle() error {
	if err := d.backAgain(); err != nil {
		return err
	}
	err := d.checkpointSoon()
	if codeOf(err) == sqlite.ResultBusy {
		err = d.commitAnew(0)
	}
	if err == nil {
		d.unsynced, d.unbacked = false, false
	}
	return err
}

// backAgain takes care that the next checkpoint writes back what an earlier one has noted
// as done, and which may be lost.
func (d *DB) backAgain() error {
	_, done, err := progress(d.writer)
	if err == nil && d.unbacked && done > 0 {
		err = d.commitAnew(done)
	}
	return err
}

// commitAnew commits the pages of the first frames of the WAL again, and one page in
// any case.
func (d *DB) commitAnew(frames int64) (err error) {
	end, err := sqlitex.ImmediateTransaction(d.writer) // nobody appends to the WAL or empties it meanwhile
	if err != nil {
		return err
	}
	defer end(&err)
	if d.unsynced {
		if err := rewrite(d.cfg.Path + "-wal"); err != nil {
			return fmt.Errorf("writing the WAL anew: %w", err)
		}
	}
	pages, err := pagesOf(d.cfg.Path+"-wal", frames)
	if err != nil {
		return fmt.Errorf("reading the WAL: %w", err)
	}
	for _, n := range pages {
		if _, err := query(d.writer, `UPDATE sqlite_dbpage SET data = data WHERE pgno = ?`).int(n).change(); err != nil {
			return err
		}
	}
	return rewriteHeader(d.writer)
}

// pagesOf are the numbers of the pages in the first frames of a WAL, in order
// (https://sqlite.org/fileformat2.html#walformat).
func pagesOf(wal string, frames int64) (pages []int64, err error) {
	if frames == 0 {
		return nil, nil
	}
	f, err := os.Open(wal)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var header [32]byte
	if _, err := f.ReadAt(header[:], 0); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(header[8:]))
	for i := range frames {
		var number [4]byte
		if _, err := f.ReadAt(number[:], 32+i*(24+size)); err != nil {
			return nil, err
		}
		pages = append(pages, int64(binary.BigEndian.Uint32(number[:])))
	}
	slices.Sort(pages)
	return slices.Compact(pages), nil
}

// rewrite writes every byte of a file again and syncs it.
func rewrite(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := make([]byte, 1<<20)
	for off := int64(0); ; {
		n, err := f.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return f.Sync()
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
}
