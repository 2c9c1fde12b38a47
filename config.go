package sessile

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile/persist"
)

// Values that switch something off by name; a zero field means its default. In YAML
// that an application decodes by itself the durations are written "-1ns"; the command
// takes never, none, off, unlimited and -1.
const (
	// NoMaxLifetime switches the absolute lifetime off.
	NoMaxLifetime time.Duration = -1
	// Never switches the periodic clean-up off.
	NoCleanup time.Duration = -1
	// NoSessionLimit switches the limit of sessions per user off.
	NoSessionLimit = -1
)

// LimitPolicy says what becomes of a login over the limit of sessions per user.
type LimitPolicy string

// The policies.
const (
	// LimitEvictOldest ends the user's least recently active sessions.
	LimitEvictOldest LimitPolicy = "evict_oldest"
	// LimitRefuseNew refuses the login with [ErrLimitReached].
	LimitRefuseNew LimitPolicy = "refuse_new"
)

// Config tunes a [Store]. The zero value works: every field that is zero has the
// default in its comment. It has yaml tags, so it can be a section of an
// application's own file.
type Config struct {
	// Path is the SQLite file. Default "sessile.db".
	Path string `yaml:"path"`
	// CreateDirs makes the directory of Path, with mode 0700, if it is missing. Without it a missing directory is an error: a
	// typo would be an empty store, and everybody logged out. Default off.
	CreateDirs bool `yaml:"create_dirs"`

	// Lowered, TTL and MaxLifetime hold for the sessions there are too, from their next use on, but not for those whose own
	// NewSession chose another. A row that is over by that alone is deleted at its old end.

	// TTL is the sliding lifetime: how long a session lives after its last access. Default 30 days, or MaxLifetime if that is
	// less; one that is set to more than MaxLifetime is an error.
	TTL time.Duration `yaml:"ttl"`
	// MaxLifetime is the absolute lifetime, which nothing extends (OWASP ASVS 7.3.2). Default 90 days; or NoMaxLifetime.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
	// TouchInterval is how old the last activity must be before the middleware records an access: half of a session's own TTL
	// if that is less. Default 5 min.
	TouchInterval time.Duration `yaml:"touch_interval"`
	// RotateGrace is how long the previous token stays good after a periodic rotation, once the new one was seen. Default 30 s.
	RotateGrace time.Duration `yaml:"rotate_grace"`

	// MaxSessionsPerUser bounds a user's active sessions. Default 10; or NoSessionLimit.
	MaxSessionsPerUser int `yaml:"max_sessions_per_user"`
	// OnLimit says what a login over that limit does, "evict_oldest" or "refuse_new". Default LimitEvictOldest.
	OnLimit LimitPolicy `yaml:"on_limit"`
	// MaxGuests bounds the sessions without a user, all together; the least recently active go first. Default 100,000.
	MaxGuests int `yaml:"max_guests"`

	// CacheSize bounds the sessions in memory. Default 100,000.
	CacheSize int `yaml:"cache_size"`
	// CacheBytes bounds their memory, estimated. Default 256 MiB.
	CacheBytes int64 `yaml:"cache_bytes"`

	// BatchInterval is how long a flush or touch may wait for the disk: the window that a crash may lose. Default 100 ms.
	BatchInterval time.Duration `yaml:"batch_interval"`
	// BatchSize is how many changes one commit takes. Default 4,096.
	BatchSize int `yaml:"batch_size"`
	// MaxPending bounds the changes that wait for the disk; at three quarters of it touches are dropped, and at the bound other calls wait for 50 ms at most, and then get ErrOverloaded. Default 65,536.
	MaxPending int `yaml:"max_pending"`
	// MaxPendingBytes bounds their data. Default 64 MiB.
	MaxPendingBytes int64 `yaml:"max_pending_bytes"`

	// CleanupInterval is the time between sweeps of ended sessions. Default 15 min; or NoCleanup, as anything negative is.
	CleanupInterval time.Duration `yaml:"cleanup_interval"`
	// MaxDataBytes bounds the JSON of one session. Default 64 KiB.
	MaxDataBytes int `yaml:"max_data_bytes"`
	// CloseTimeout is how long Close tries to write while the disk refuses, and then waits for reads that hang. Default 30 s.
	CloseTimeout time.Duration `yaml:"close_timeout"`

	// Logger gets what an operator must know; never a token, never data. Set it or Slog, not both. Default: warnings and errors
	// go to slog.Default, which writes to stderr unless the application has changed it. zap.NewNop() switches logs off.
	Logger *zap.Logger `yaml:"-"`
	// Slog is a logger of log/slog in place of Logger. It gets all levels.
	Slog *slog.Logger `yaml:"-"`
	// Events is called for every [Event], one after the other, on a goroutine of
	// the store's. It cannot hold up or break an operation: while it is slow,
	// events beyond 1,024 are dropped and counted, and a panic loses its event.
	Events func(Event) `yaml:"-"`

	now     func() time.Time     // tests: the wall clock
	mono    func() time.Duration // tests: the monotonic clock beside it
	entropy io.Reader            // tests: the source of ids and tokens
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	const day = 24 * time.Hour
	c.Path = cmp.Or(c.Path, "sessile.db")
	c.MaxLifetime = cmp.Or(c.MaxLifetime, 90*day)
	c.TTL = cmp.Or(c.TTL, within(30*day, c.MaxLifetime))
	c.TouchInterval = cmp.Or(c.TouchInterval, min(5*time.Minute, max(c.TTL/2, 0)))
	c.RotateGrace = cmp.Or(c.RotateGrace, 30*time.Second)
	c.MaxSessionsPerUser = cmp.Or(c.MaxSessionsPerUser, 10)
	c.OnLimit = cmp.Or(c.OnLimit, LimitEvictOldest)
	c.MaxGuests = cmp.Or(c.MaxGuests, 100_000)
	c.CacheSize = cmp.Or(c.CacheSize, 100_000)
	c.CacheBytes = cmp.Or(c.CacheBytes, 256<<20)
	c.BatchInterval = cmp.Or(c.BatchInterval, 100*time.Millisecond)
	c.BatchSize = cmp.Or(c.BatchSize, 4096)
	c.MaxPending = cmp.Or(c.MaxPending, 1<<16)
	c.MaxPendingBytes = cmp.Or(c.MaxPendingBytes, 64<<20)
	c.CleanupInterval = max(cmp.Or(c.CleanupInterval, 15*time.Minute), NoCleanup)
	c.MaxDataBytes = cmp.Or(c.MaxDataBytes, 64<<10)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, 30*time.Second)
	if c.entropy == nil {
		c.entropy = rand.Reader
	}
	return c
}

// within lowers a default TTL to an absolute lifetime; what is none, or no valid one, leaves it.
func within(ttl, life time.Duration) time.Duration {
	if life < time.Second {
		return ttl
	}
	return min(ttl, life)
}

// faults collects what is wrong with a Config.
type faults []error

func (f *faults) check(ok bool, field, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
}

// between checks a duration.
func (f *faults) between(field string, d, least, most time.Duration) {
	f.check(d >= least && d <= most, field, "%v is not between %v and %v", d, least, most)
}

// Validate reports every fault of c, as [Open] would, without opening anything.
// The error is [ErrInvalidConfig].
func (c Config) Validate() error { return c.withDefaults().validate() }

// validate reports every fault of a Config with its defaults filled in.
func (c Config) validate() error {
	var f faults
	if engine, err := persist.FileEngine(); err == nil { // without one nothing uses the path
		err = engine.CheckPath(c.Path)
		f.check(err == nil, "path", "%v", err)
	}
	f.between("ttl", c.TTL, time.Second, maxLifetime)
	if c.MaxLifetime != NoMaxLifetime {
		f.between("max_lifetime", c.MaxLifetime, time.Second, maxLifetime)
		f.check(c.TTL <= c.MaxLifetime || c.TTL > maxLifetime || c.MaxLifetime < time.Second, "ttl",
			"%v is longer than max_lifetime, %v", c.TTL, c.MaxLifetime)
	}
	f.between("touch_interval", c.TouchInterval, 0, max(c.TTL, 0))
	f.between("rotate_grace", c.RotateGrace, time.Second, time.Hour)
	f.check(c.MaxSessionsPerUser > 0 || c.MaxSessionsPerUser == NoSessionLimit, "max_sessions_per_user",
		"%d is neither positive nor NoSessionLimit (-1)", c.MaxSessionsPerUser)
	f.check(c.OnLimit == LimitEvictOldest || c.OnLimit == LimitRefuseNew, "on_limit", "%q is neither %q nor %q", c.OnLimit, LimitEvictOldest, LimitRefuseNew)
	f.check(c.MaxGuests > 0, "max_guests", "%d is not positive", c.MaxGuests)
	f.check(c.CacheSize > 0 && c.CacheSize <= 1<<28, "cache_size", "%d is not between 1 and %d", c.CacheSize, 1<<28)
	f.check(c.CacheBytes > 0, "cache_bytes", "%d is not positive", c.CacheBytes)
	f.between("batch_interval", c.BatchInterval, time.Millisecond, time.Hour)
	f.check(c.BatchSize > 0 && c.BatchSize <= 1<<16, "batch_size", "%d is not between 1 and %d", c.BatchSize, 1<<16)
	f.check(c.MaxPending > 0 && c.MaxPending <= 1<<28, "max_pending", "%d is not between 1 and %d", c.MaxPending, 1<<28)
	f.check(c.MaxPendingBytes > 0 && c.MaxPendingBytes >= int64(c.MaxDataBytes), "max_pending_bytes",
		"%d is not positive, or less than max_data_bytes", c.MaxPendingBytes)
	if c.CleanupInterval != NoCleanup {
		f.between("cleanup_interval", c.CleanupInterval, time.Second, maxLifetime)
	}
	f.check(c.MaxDataBytes >= 2 && c.MaxDataBytes <= 16<<20, "max_data_bytes", "%d is not between 2 and %d", c.MaxDataBytes, 16<<20)
	f.between("close_timeout", c.CloseTimeout, time.Millisecond, time.Hour)
	f.check(c.Logger == nil || c.Slog == nil, "slog", "Logger is set too")
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrInvalidConfig, errors.Join(f...))
}
