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

// repair replaces a writer that had an I/O error. It does not wait for readers: a reader of
// another program may stay for hours.
//
// It prevents this race:
//
//  1. COMMIT F appends its frames to the WAL. The fsync fails. Linux marks the pages clean:
//     the page cache has F, the disk may not.
//  2. F's caller gets ErrUnknown. The index of the WAL ends before F, so no connection sees F.
//  3. Something takes F for committed: the index is rebuilt from the cache, or the process
//     is killed and the next start rebuilds it.
//  4. Later commits are appended after F, synced and acknowledged.
//  5. The power is cut. On disk the WAL has a gap at F, and everything after it is lost.
//
// It also prevents a variant without a power cut: the next batch changes nothing ("already
// gone"), writes nothing and is acknowledged. Then step 3 makes F true after all.
//
// Three rules prevent both:
//
//   - The index is never rebuilt while the DB is open. From Open to Close, some connection
//     has it mapped; the broken writer stays open until the new one is. So the index ends
//     before F, and the next commit overwrites F's first frame and syncs it. Each frame's
//     checksum covers the frames before it, so the rest of F becomes invalid. This also
//     holds for frames that were written in part or not at all.
//   - Everything before F is on disk, because every COMMIT that returned nil was synced.
//     This is unknown if another program wrote meanwhile, or if the process started with an
//     existing WAL (see 3). Then every byte of the WAL is rewritten and synced.
//   - Nothing is acknowledged before one commit that does write; repair makes it. A
//     checkpoint that empties the WAL serves as well, and frees space on a full disk.
//
// Checkpoints have a race of their own. SQLite syncs the file only when a checkpoint reaches
// the end of the WAL:
//
//  1. A reader blocks the end. A checkpoint copies the first 500 frames to the file without
//     a sync and marks them as done.
//  2. The reader leaves. The next checkpoint copies the rest and syncs the file. The fsync
//     fails, and may have dropped the pages of step 1 too.
//  3. The next checkpoint copies the rest again, syncs, and empties the WAL. The pages of
//     step 1 are lost.
//
// Two rules prevent it. The pages of frames that are marked as done are committed again, as
// new frames, before the next checkpoint. And the last connection to close is one that
// cannot checkpoint. This is also why tidy makes the checkpoints: those that SQLite makes
// after a COMMIT fail silently.
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

// replaceWriter opens the new connection before it closes the old one. Only the old one knows
// whether another program has written since our last commit.
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
	_ = d.writer.Close() // it has failed; its error says nothing new
	d.writer, d.seen = c, seen
	return nil
}

// settle makes sure that what the writer sees is on disk and that no failed commit can come
// back. It empties the WAL or, if a reader blocks that, makes a commit.
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

// backAgain makes sure that the next checkpoint copies the frames again that an earlier,
// failed checkpoint marked as done.
func (d *DB) backAgain() error {
	_, done, err := progress(d.writer)
	if err == nil && d.unbacked && done > 0 {
		err = d.commitAnew(done)
	}
	return err
}

// commitAnew commits the pages of the first frames of the WAL again, and always at least one
// page.
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

// pagesOf returns the sorted page numbers of the first frames of a WAL
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
