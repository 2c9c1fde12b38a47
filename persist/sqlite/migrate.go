package sqlite

import (
	"context"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// migration is one step of the schema. It runs inside a transaction and must not end it.
type migration func(*sqlite.Conn) error

// migrate runs the steps that a database lacks. Each step is one transaction together with
// its version number, so that a crash leaves no half step.
func migrate(ctx context.Context, c *sqlite.Conn, steps []migration) error {
	version, err := queryInt(c, `PRAGMA user_version`)
	if err != nil {
		return err
	}
	for v := int(version); v < len(steps); v++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := migrateStep(c, steps[v], v+1); err != nil {
			return fmt.Errorf("migrating to schema %d: %w", v+1, err)
		}
	}
	return nil
}

func migrateStep(c *sqlite.Conn, step migration, version int) (err error) {
	end, err := sqlitex.ImmediateTransaction(c)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := step(c); err != nil {
		return err
	}
	if _, err := queryText(c, "PRAGMA application_id = "+strconv.Itoa(applicationID)); err != nil {
		return err
	}
	_, err = queryText(c, "PRAGMA user_version = "+strconv.Itoa(version))
	return err
}
