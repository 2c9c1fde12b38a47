package sqlite

import (
	"zombiezen.com/go/sqlite"
)

// bound is a prepared statement with some parameters bound. SQL is always constant text, and
// the driver caches prepared statements by that text.
type bound struct {
	conn *sqlite.Conn
	stmt *sqlite.Stmt
	args int
	err  error
}

// query prepares a statement, or takes it from the cache.
func query(c *sqlite.Conn, sql string) bound {
	st, err := c.Prepare(sql)
	return bound{conn: c, stmt: st, err: err}
}

func (b bound) int(v int64) bound {
	if b.args++; b.err == nil {
		b.stmt.BindInt64(b.args, v)
	}
	return b
}

func (b bound) blob(v []byte) bound {
	if b.args++; b.err == nil {
		b.stmt.BindBytes(b.args, v)
	}
	return b
}

// hash binds a hash, or NULL for nil.
func (b bound) hash(v []byte) bound {
	if v != nil {
		return b.blob(v)
	}
	if b.args++; b.err == nil {
		b.stmt.BindNull(b.args)
	}
	return b
}

func (b bound) text(v string) bound {
	if b.args++; b.err == nil {
		b.stmt.BindText(b.args, v)
	}
	return b
}

// rows runs the statement and calls row for each row, until row returns an error.
func (b bound) rows(row func(*sqlite.Stmt) error) error {
	if b.err != nil {
		return b.err
	}
	for {
		more, err := b.stmt.Step()
		if err != nil {
			return err // the driver has reset the statement
		}
		if !more {
			return b.stmt.Reset()
		}
		if err := row(b.stmt); err != nil {
			_ = b.stmt.Reset()
			return err
		}
	}
}

// change runs a statement that returns no rows, and returns how many rows it changed.
func (b bound) change() (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if _, err := b.stmt.Step(); err != nil {
		return 0, err
	}
	n := b.conn.Changes()
	return n, b.stmt.Reset()
}

// bytesOf copies a blob column.
func bytesOf(s *sqlite.Stmt, col int) []byte {
	b := make([]byte, s.ColumnLen(col))
	s.ColumnBytes(col, b)
	return b
}
