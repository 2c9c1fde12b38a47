package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrInvalidConfig is the error of [Open] and [Migrate] for a [Config] with faults.
var ErrInvalidConfig = errors.New("invalid PostgreSQL configuration")

// Config says where the store is. URL or Pool is required. Every other field that is zero has the default in its comment.
type Config struct {
	// URL is a connection URL or keyword/value string as libpq takes it. It may name several hosts.
	// Without target_session_attrs only a server that accepts writes is used.
	URL string
	// Pool replaces URL: a configuration from pgxpool.ParseConfig, for TLS or passwords that change (BeforeConnect).
	// Its sizes and its query mode are not used.
	Pool *pgxpool.Config
	// FeedURL is where the node listens for the changes of others. It must reach the same database without a pooler in
	// transaction mode. Default: URL or Pool.
	FeedURL string
	// Schema holds the tables: 1 to 48 lower-case letters, digits and underscores. Default "sessile".
	Schema string

	// ReadConns bounds the connections of reads. Default 4.
	ReadConns int
	// WriteConns bounds the connections of batches and beats. Two are used; the others replace those that hang. Default 4.
	WriteConns int
	// ApplyTimeout bounds a batch. It also bounds the time that a batch whose node has vanished keeps its locks. Default 2 s.
	ApplyTimeout time.Duration
	// ReadTimeout bounds a read whose caller would wait longer. Default 2 s.
	ReadTimeout time.Duration
	// ConnectTimeout bounds one attempt to connect. Default 5 s, or connect_timeout of URL.
	ConnectTimeout time.Duration

	// NoMigrate has Open check the schema and not change it: an operator runs [Migrate] or [SchemaSQL].
	NoMigrate bool
	// PreparedStatements keeps named statements on the server although FeedURL is set. PgBouncer in transaction mode needs
	// version 1.21 with max_prepared_statements for them. Default off: with a FeedURL statements are unnamed, and any
	// pooler will do. Without a FeedURL they are always named.
	PreparedStatements bool

	lease time.Duration // tests: how long memory is trusted
}

// Bounds of a Config.
const (
	maxSchema     = 48 // bytes: the channel's name is longer, and may have 63
	maxConns      = 1000
	leastDeadline = 10 * time.Millisecond
	mostDeadline  = time.Minute
)

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	c.Schema = cmp.Or(c.Schema, "sessile")
	c.ReadConns = cmp.Or(c.ReadConns, 4)
	c.WriteConns = cmp.Or(c.WriteConns, 4)
	c.ApplyTimeout = cmp.Or(c.ApplyTimeout, 2*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 2*time.Second)
	c.lease = cmp.Or(c.lease, defaultLease)
	return c
}

// Validate reports every fault of c at once, as [Open] would, without connecting. The error is [ErrInvalidConfig].
// It never contains a password.
func (c Config) Validate() error {
	_, err := c.parse()
	return err
}

// settings is a Config that is valid.
type settings struct {
	Config
	pool *pgxpool.Config
	feed *pgx.ConnConfig
}

// parse checks c and reads its connection strings.
func (c Config) parse() (settings, error) {
	s := settings{Config: c.withDefaults()}
	faults := []error{s.addresses()}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(schemaName.MatchString(s.Schema), "Schema: %q is not 1 to %d lower-case letters, digits and underscores", s.Schema, maxSchema)
	check(s.ReadConns > 0 && s.ReadConns <= maxConns, "ReadConns: %d is not between 1 and %d", s.ReadConns, maxConns)
	check(s.WriteConns > 1 && s.WriteConns <= maxConns, "WriteConns: %d is not between 2 and %d", s.WriteConns, maxConns)
	for name, d := range map[string]time.Duration{"ApplyTimeout": s.ApplyTimeout, "ReadTimeout": s.ReadTimeout} {
		check(d >= leastDeadline && d <= mostDeadline, "%s: %v is not between %v and %v", name, d, leastDeadline, mostDeadline)
	}
	check(s.ConnectTimeout >= 0 && s.ConnectTimeout <= mostDeadline, "ConnectTimeout: %v is not between 0 and %v", s.ConnectTimeout, mostDeadline)
	if err := errors.Join(faults...); err != nil {
		return s, fmt.Errorf("%w:\n%w", ErrInvalidConfig, err)
	}
	s.prepare()
	return s, nil
}

// schemaName is what may be the name of a schema.
var schemaName = regexp.MustCompile(fmt.Sprintf(`^[a-z_][a-z0-9_]{0,%d}$`, maxSchema-1))

// addresses reads the connection strings. A parser's error may quote the password, so none is shown.
func (s *settings) addresses() error {
	var faults []error
	var err error
	switch {
	case (s.URL == "") == (s.Pool == nil):
		faults = append(faults, errors.New("URL, Pool: exactly one of them must be set"))
	case s.Pool != nil:
		s.pool = s.Pool.Copy()
	default:
		if s.pool, err = pgxpool.ParseConfig(s.URL); err != nil {
			faults = append(faults, errors.New("URL: it cannot be read (it is not shown, because it may contain a password)"))
		}
	}
	switch {
	case s.FeedURL != "":
		if s.feed, err = pgx.ParseConfig(s.FeedURL); err != nil {
			faults = append(faults, errors.New("FeedURL: it cannot be read (it is not shown, because it may contain a password)"))
		}
	case s.pool != nil:
		s.feed = s.pool.ConnConfig.Copy()
	}
	return errors.Join(faults...)
}
