package postgres

import (
	"context"
	_ "embed" // the SQL
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile/persist"
)

//go:embed sql/0001.sql
var createSchema string

//go:embed sql/role.sql
var grantRole string

// migrations are the steps from an empty schema to the newest. A step that was released never changes; a new one is
// appended.
func migrations() []string { return []string{createSchema} }

// Migrate brings the schema up to date and returns when that is committed. It may run on several nodes at once, and while
// older nodes work. It needs a role that may create the schema. Errors are those of [Open].
func Migrate(ctx context.Context, cfg Config) error {
	s, err := cfg.parse()
	if err != nil {
		return err
	}
	c, err := s.connectOnce(ctx)
	if err != nil {
		return openError(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	s.NoMigrate = false
	if err := s.bringUpToDate(ctx, c); err != nil {
		return openError(err)
	}
	return nil
}

func (s *settings) connectOnce(ctx context.Context) (*pgx.Conn, error) {
	c := s.pool.ConnConfig.Copy()
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // a pooler may be between: nothing here needs a feed
	if s.pool.BeforeConnect != nil {
		if err := s.pool.BeforeConnect(ctx, c); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, c)
}

// SchemaSQL is the SQL that takes a schema from a version to the newest, as one transaction: from 0 it creates it.
func SchemaSQL(schema string, from int) string {
	s := settings{Config: Config{Schema: schema}}
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	if from == 0 {
		b.WriteString(s.createSQL() + "\n")
	}
	for v := from; v < len(migrations()); v++ {
		b.WriteString(s.stepSQL(v) + "\n")
	}
	b.WriteString("COMMIT;\n")
	return b.String()
}

// RoleSQL is the SQL that gives a role what a node needs at run time, and nothing else.
func RoleSQL(schema, role string) string {
	s := settings{Config: Config{Schema: schema}}
	return strings.NewReplacer(
		"SCHEMANAME", pgx.Identifier{schema}.Sanitize(), "ROLENAME", pgx.Identifier{role}.Sanitize(),
	).Replace(s.sql(grantRole))
}

func (s *settings) createSQL() string {
	return "CREATE SCHEMA " + pgx.Identifier{s.Schema}.Sanitize() + ";"
}

// stepSQL is the migration from version v, and the statement that records it.
func (s *settings) stepSQL(v int) string {
	return s.sql(fmt.Sprintf("%s\nINSERT INTO SCHEMA.migration (version) VALUES (%d);", migrations()[v], v+1))
}

// bringUpToDate checks the version of the schema, and migrates one that is missing or older.
func (s *settings) bringUpToDate(ctx context.Context, c *pgx.Conn) error {
	version, err := s.version(ctx, c)
	switch newest := len(migrations()); {
	case err != nil:
		return fmt.Errorf("reading the version of schema %s: %w", s.Schema, err)
	case version > newest:
		return fmt.Errorf("%w: schema %s has version %d (newest known: %d)", persist.ErrNewer, s.Schema, version, newest)
	case version == newest:
		return nil
	case s.NoMigrate:
		return fmt.Errorf("%w: schema %s has version %d (needed: %d, run Migrate or the text of SchemaSQL)",
			persist.ErrNotStore, s.Schema, version, newest)
	}
	if err := s.migrate(ctx, c); err != nil {
		return fmt.Errorf("migrating schema %s: %w", s.Schema, err)
	}
	return nil
}

// The catalogue is read as a table: to_regclass may answer from a cache that does not know yet what another node has just
// committed.
const (
	thereSQL   = `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)`
	tableSQL   = `SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'migration')`
	versionSQL = `SELECT coalesce(max(version), 0) FROM SCHEMA.migration`
)

// version is that of the schema, 0 if there is none.
func (s *settings) version(ctx context.Context, c *pgx.Conn) (version int, err error) {
	var there bool
	if err := c.QueryRow(ctx, tableSQL, s.Schema).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = c.QueryRow(ctx, s.sql(versionSQL)).Scan(&version)
	return version, err
}

const migrationLockSQL = `SELECT pg_advisory_xact_lock($1)`

// migrate runs the missing steps in one transaction. Concurrent nodes wait for the lock, and then find nothing to do.
func (s *settings) migrate(ctx context.Context, c *pgx.Conn) error {
	return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, migrationLockSQL, lockKey(s.Schema, "migrate")); err != nil {
			return err
		}
		version, err := s.version(ctx, c)
		if err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, thereSQL, s.Schema).Scan(&there); err != nil {
			return err
		}
		var steps []string
		if !there { // IF NOT EXISTS would ask for the right to create it, also where it is there
			steps = append(steps, s.createSQL())
		}
		for v := version; v < len(migrations()); v++ {
			steps = append(steps, s.stepSQL(v))
		}
		if len(migrations()) < version {
			return errors.New("another node has migrated to a newer version")
		}
		_, err = c.PgConn().Exec(ctx, strings.Join(steps, "\n")).ReadAll()
		return err
	})
}
