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

	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist"
)

// Values that switch something off. A zero field means its default. In the YAML of an application
// the durations are written "-1ns". The sessile command also accepts never, none, off, unlimited
// and -1.
const (
	// NoMaxLifetime switches the absolute timeout off.
	NoMaxLifetime time.Duration = -1
	// NoCleanup switches the periodic clean-up off.
	NoCleanup time.Duration = -1
	// NoSessionLimit switches the limit of sessions per user off.
	NoSessionLimit = -1
)

// LimitPolicy says what happens to a login over the limit of sessions per user.
type LimitPolicy string

// The limit policies.
const (
	// LimitEvictOldest ends the user's least recently active sessions.
	LimitEvictOldest LimitPolicy = "evict_oldest"
	// LimitRefuseNew refuses the login with [ErrLimitReached].
	LimitRefuseNew LimitPolicy = "refuse_new"
)

// Config configures a [Store]. The zero value works: a zero field means the default in its comment.
// Config has yaml tags, so it can be a section of an application's own configuration file.
type Config struct {
	// Path is the SQLite file. Default "sessile.db". Only Open uses it.
	Path string `yaml:"path"`
	// CreateDirs creates the directory of Path, with mode 0700, if it is missing. Default off: Open
	// then returns an error, because a mistyped path would open an empty store and log everybody out.
	CreateDirs bool `yaml:"create_dirs"`

	// TTL is the idle timeout: how long a session lives after its last access. It must not exceed
	// MaxLifetime. Default 30 days, or MaxLifetime if that is less.
	//
	// A lower TTL or MaxLifetime also applies to existing sessions, from their next use. It does not
	// apply to sessions whose NewSession set its own.
	TTL time.Duration `yaml:"ttl"`
	// MaxLifetime is the absolute timeout. Nothing extends it (OWASP ASVS 7.3.2). Default 90 days.
	// NoMaxLifetime switches it off.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
	// TouchInterval limits how often the middleware records an access: only if the last one is at
	// least this old. For a session whose TTL is less than twice the interval, half of its TTL counts
	// instead. Default 5 min.
	TouchInterval time.Duration `yaml:"touch_interval"`
	// RotateGrace is how long the previous token stays valid after a periodic rotation. It begins when
	// the new token is first presented. Default 30 s.
	RotateGrace time.Duration `yaml:"rotate_grace"`

	// MaxSessionsPerUser limits the active sessions of a user, without API tokens. Default 10. NoSessionLimit switches it
	// off.
	MaxSessionsPerUser int `yaml:"max_sessions_per_user"`
	// OnLimit says what a login over that limit does: "evict_oldest" or "refuse_new". Default
	// LimitEvictOldest.
	OnLimit LimitPolicy `yaml:"on_limit"`
	// MaxAPITokensPerUser limits the active sessions of a user that NewSession.APIToken marks. Over the
	// limit, OnLimit does not matter: a new one is refused with ErrLimitReached, because evicting a
	// program's token would stop the program. Default 100. NoSessionLimit switches it off.
	MaxAPITokensPerUser int `yaml:"max_api_tokens_per_user"`
	// MaxGuests limits the number of guest sessions. A new guest over the limit evicts the least
	// recently active one. Default 100,000.
	MaxGuests int `yaml:"max_guests"`

	// CacheSize limits the number of sessions in memory. Default 100,000.
	CacheSize int `yaml:"cache_size"`
	// CacheBytes limits their estimated size in memory. Default 256 MiB.
	CacheBytes int64 `yaml:"cache_bytes"`

	// BatchInterval is how long a flush, update or touch may wait for the disk. A crash loses at most
	// about this much. Default 100 ms.
	BatchInterval time.Duration `yaml:"batch_interval"`
	// BatchSize limits the changes in one commit. Default 4,096.
	BatchSize int `yaml:"batch_size"`
	// MaxPending limits the changes that wait for the disk. From three quarters of it, the store drops
	// touches. At the limit, other calls wait up to 50 ms and then return ErrOverloaded. Default
	// 65,536.
	MaxPending int `yaml:"max_pending"`
	// MaxPendingBytes limits the session data that waits for the disk. Default 64 MiB.
	MaxPendingBytes int64 `yaml:"max_pending_bytes"`

	// CleanupInterval is the time between deletions of expired sessions. Default 15 min. NoCleanup, or
	// any negative value, switches them off.
	CleanupInterval time.Duration `yaml:"cleanup_interval"`
	// MaxDataBytes limits the JSON of one session. Default 64 KiB.
	MaxDataBytes int `yaml:"max_data_bytes"`
	// CloseTimeout is how long Close retries writes that the disk refuses. Afterwards Close waits as
	// long again, at most, for reads that hang. Default 30 s.
	CloseTimeout time.Duration `yaml:"close_timeout"`

	// Logger receives what an operator must know. No line contains a token or session data. Set Logger
	// or Slog, not both. By default, warnings and errors go to slog.Default. zap.NewNop() switches
	// logs off.
	Logger *zap.Logger `yaml:"-"`
	// Slog is a log/slog logger to use instead of Logger. It receives all levels.
	Slog *slog.Logger `yaml:"-"`
	// Events receives every [Event], one at a time, on a goroutine of the store. It cannot delay or
	// break an operation. While it is slow, the store keeps 1,024 events, and drops and counts the
	// rest. If it panics, the event is lost.
	Events func(Event) `yaml:"-"`

	testClock `yaml:"-"` // tests: the clocks
	entropy   io.Reader  // tests: the source of ids and tokens
}

// testClock lets Config embed a test's clocks without exporting a field. Package bridge sets it.
type testClock = bridge.Clock

// defaultPath is the file that Open uses if Config.Path is empty.
const defaultPath = "sessile.db"

// withDefaults replaces zero fields with their defaults.
func (c Config) withDefaults() Config {
	const day = 24 * time.Hour
	c.MaxLifetime = cmp.Or(c.MaxLifetime, 90*day)
	c.TTL = cmp.Or(c.TTL, within(30*day, c.MaxLifetime))
	c.TouchInterval = cmp.Or(c.TouchInterval, min(5*time.Minute, max(c.TTL/2, 0)))
	c.RotateGrace = cmp.Or(c.RotateGrace, 30*time.Second)
	c.MaxSessionsPerUser = cmp.Or(c.MaxSessionsPerUser, 10)
	c.MaxAPITokensPerUser = cmp.Or(c.MaxAPITokensPerUser, 100)
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

// within lowers the default ttl to the absolute lifetime. NoMaxLifetime, or an invalid one, changes
// nothing.
func within(ttl, life time.Duration) time.Duration {
	if life < time.Second {
		return ttl
	}
	return min(ttl, life)
}

// faults collects the faults of a Config.
type faults []error

func (f *faults) check(ok bool, field, format string, args ...any) {
	if !ok {
		*f = append(*f, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
}

// between reports a duration outside of [least, most].
func (f *faults) between(field string, d, least, most time.Duration) {
	f.check(d >= least && d <= most, field, "%v is not between %v and %v", d, least, most)
}

// Validate reports every fault of c, as [Open] would, without opening anything. The error is an
// [ErrInvalidConfig].
func (c Config) Validate() error { return c.withDefaults().validate() }

// validate is Validate for a Config that has its defaults.
func (c Config) validate() error {
	var f faults
	if engine, err := persist.FileEngine(); err == nil { // without an engine nothing uses the path
		err = engine.CheckPath(cmp.Or(c.Path, defaultPath))
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
		"%d must be positive, or -1 for no limit", c.MaxSessionsPerUser)
	f.check(c.MaxAPITokensPerUser > 0 || c.MaxAPITokensPerUser == NoSessionLimit, "max_api_tokens_per_user",
		"%d must be positive, or -1 for no limit", c.MaxAPITokensPerUser)
	f.check(c.OnLimit == LimitEvictOldest || c.OnLimit == LimitRefuseNew, "on_limit", "%q is neither %q nor %q", c.OnLimit, LimitEvictOldest, LimitRefuseNew)
	f.check(c.MaxGuests > 0, "max_guests", "%d is not positive", c.MaxGuests)
	f.check(c.CacheSize > 0 && c.CacheSize <= 1<<28, "cache_size", "%d is not between 1 and %d", c.CacheSize, 1<<28)
	f.check(c.CacheBytes > 0, "cache_bytes", "%d is not positive", c.CacheBytes)
	f.between("batch_interval", c.BatchInterval, time.Millisecond, time.Hour)
	f.check(c.BatchSize > 0 && c.BatchSize <= 1<<16, "batch_size", "%d is not between 1 and %d", c.BatchSize, 1<<16)
	f.check(c.MaxPending > 0 && c.MaxPending <= 1<<28, "max_pending", "%d is not between 1 and %d", c.MaxPending, 1<<28)
	f.check(c.MaxPendingBytes > 0 && c.MaxPendingBytes >= int64(c.MaxDataBytes), "max_pending_bytes",
		"%d must be positive and at least max_data_bytes, %d", c.MaxPendingBytes, c.MaxDataBytes)
	if c.CleanupInterval != NoCleanup {
		f.between("cleanup_interval", c.CleanupInterval, time.Second, maxLifetime)
	}
	f.check(c.MaxDataBytes >= 2 && c.MaxDataBytes <= 16<<20, "max_data_bytes", "%d is not between 2 and %d", c.MaxDataBytes, 16<<20)
	f.between("close_timeout", c.CloseTimeout, time.Millisecond, time.Hour)
	f.check(c.Logger == nil || c.Slog == nil, "slog", "set either Logger or Slog, not both")
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrInvalidConfig, errors.Join(f...))
}
