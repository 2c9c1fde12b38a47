package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
)

// readers is a pool of read connections. A connection with an I/O error is replaced when it is
// needed next. The most recently used connection is preferred, because each has its own page
// cache.
type readers struct {
	open func() (*sqlite.Conn, error)
	last chan *sqlite.Conn // holds the most recently used connection
	idle chan *sqlite.Conn // holds the others; nil must be opened anew
	over chan struct{}     // closed by close
	size int
}

func newReaders(open func() (*sqlite.Conn, error), n int) (*readers, error) {
	r := &readers{
		open: open, last: make(chan *sqlite.Conn, 1), idle: make(chan *sqlite.Conn, n), over: make(chan struct{}), size: n,
	}
	for range n {
		c, err := open()
		if err != nil {
			for range n - len(r.idle) {
				r.idle <- nil
			}
			return nil, errors.Join(err, r.close())
		}
		r.idle <- c
	}
	return r, nil
}

// with runs fn on a connection. It waits for one, and runs fn, only until ctx ends.
func (r *readers) with(ctx context.Context, fn func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	var kept *sqlite.Conn // stays nil if fn panics
	defer func() {
		select {
		case r.last <- kept:
		default:
			r.idle <- kept
		}
	}()
	kept, err = r.use(ctx, c, fn)
	return err
}

func (r *readers) take(ctx context.Context) (c *sqlite.Conn, err error) {
	select {
	case c = <-r.last:
		return c, nil
	default:
	}
	select {
	case c = <-r.last:
	case c = <-r.idle:
	case <-ctx.Done():
		err = ctx.Err()
	case <-r.over:
		err = fmt.Errorf("%w: the file has been closed", persist.ErrUnavailable)
	}
	return c, err
}

// use runs fn and returns the connection to keep, or nil if it must be replaced.
func (r *readers) use(ctx context.Context, c *sqlite.Conn, fn func(*sqlite.Conn) error) (*sqlite.Conn, error) {
	if c == nil {
		var err error
		if c, err = r.open(); err != nil {
			return nil, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
		}
	}
	c.SetInterrupt(ctx.Done())
	err := fn(c)
	c.SetInterrupt(nil)
	switch {
	case err == nil, errors.Is(err, persist.ErrNotFound):
		return c, err
	case codeOf(err) == sqlite.ResultInterrupt && ctx.Err() != nil:
		return c, ctx.Err()
	case ownFault(err):
		return c, damaged(err)
	case harmless(err):
		return c, fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	default:
		return nil, fmt.Errorf("%w: %w", persist.ErrUnavailable, errors.Join(err, c.Close()))
	}
}

// pause waits for running reads and closes every connection. New reads wait for resume.
func (r *readers) pause() error {
	var errs []error
	for range r.size {
		var c *sqlite.Conn
		select {
		case c = <-r.last:
		case c = <-r.idle:
		}
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// resume lets reads continue on new connections.
func (r *readers) resume() {
	for range r.size {
		r.idle <- nil
	}
}

// close waits for running reads and closes every connection. Later reads are refused.
func (r *readers) close() error {
	close(r.over)
	return r.pause()
}
