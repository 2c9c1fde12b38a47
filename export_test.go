package sessile

import (
	"io"
	"time"
)

// WithClock gives a store under test its time.
func WithClock(c Config, now func() time.Time) Config { c.now = now; return c }

// WithEntropy gives a store under test its randomness.
func WithEntropy(c Config, r io.Reader) Config { c.entropy = r; return c }

// WithVFS gives a store under test its SQLite VFS.
func WithVFS(c Config, name string) Config { c.vfs = name; return c }
