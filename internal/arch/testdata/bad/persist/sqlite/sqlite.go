package sqlite

import "github.com/sessile/sessile/persist"

func init() { persist.RegisterEngine(nil) } // allowed

const (
	sweep = `DELETE FROM activity WHERE expires < unixepoch('now')`        // want sql-clock
	save  = `INSERT INTO session VALUES (?) ON CONFLICT DO UPDATE SET x=1` // want upsert
)
