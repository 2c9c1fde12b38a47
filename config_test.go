package sessile_test

import (
	"errors"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

func TestConfigHasTheDocumentedDefaults(t *testing.T) {
	if err := sessile.FaultsOf(sessile.Config{}); err != nil {
		t.Fatal(err)
	}
	got := sessile.DefaultsOf(sessile.Config{})
	want := []any{
		got.Path, "", got.TTL, 30 * 24 * time.Hour, got.MaxLifetime, 90 * 24 * time.Hour,
		got.TouchInterval, 5 * time.Minute, got.RotateGrace, 30 * time.Second,
		got.MaxSessionsPerUser, 10, got.MaxAPITokensPerUser, 100, got.OnLimit, sessile.LimitEvictOldest, got.MaxGuests, 100_000,
		got.CacheSize, 100_000, got.CacheBytes, int64(256 << 20),
		got.BatchInterval, 100 * time.Millisecond, got.BatchSize, 4096, got.MaxPending, 1 << 16, got.MaxPendingBytes, int64(64 << 20),
		got.CleanupInterval, 15 * time.Minute, got.MaxDataBytes, 64 << 10, got.CloseTimeout, 30 * time.Second,
	}
	for i := 0; i < len(want); i += 2 {
		if want[i] != want[i+1] {
			t.Errorf("default %d is %v, want %v", i/2, want[i], want[i+1])
		}
	}
	if got.Logger != nil || got.Slog != nil || got.Events != nil || !sessile.HasEntropy(got) {
		t.Errorf("logger %v, events %t, entropy %t", got.Logger, got.Events != nil, sessile.HasEntropy(got))
	}
}

func TestConfigKeepsWhatIsSet(t *testing.T) {
	set := sessile.Config{
		Path: "x.db", CreateDirs: true, TTL: time.Hour, MaxLifetime: 2 * time.Hour, TouchInterval: time.Second, RotateGrace: time.Minute,
		MaxSessionsPerUser: 1, MaxAPITokensPerUser: 1, OnLimit: sessile.LimitRefuseNew, MaxGuests: 1, CacheSize: 1, CacheBytes: 1, BatchInterval: time.Second,
		BatchSize: 1, MaxPending: 1, MaxPendingBytes: 1 << 20, CleanupInterval: time.Hour, MaxDataBytes: 2, CloseTimeout: time.Second,
	}
	if err := sessile.FaultsOf(set); err != nil {
		t.Fatal(err)
	}
	got, want := reflect.ValueOf(sessile.DefaultsOf(set)), reflect.ValueOf(set)
	for i := range want.NumField() {
		f := want.Type().Field(i)
		if f.IsExported() && f.Type.Kind() != reflect.Func && (want.Field(i).IsZero() && f.Name != "Logger" && f.Name != "Slog" || !got.Field(i).Equal(want.Field(i))) {
			t.Errorf("%s is %v, want %v", f.Name, got.Field(i), want.Field(i))
		}
	}
	if again := sessile.DefaultsOf(sessile.DefaultsOf(set)); again.TTL != set.TTL {
		t.Error("defaults are not idempotent")
	}
}

func TestConfigAcceptsWhatIsSwitchedOffByName(t *testing.T) { // S28
	off := sessile.Config{MaxLifetime: sessile.NoMaxLifetime, MaxSessionsPerUser: sessile.NoSessionLimit, MaxAPITokensPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup}
	if err := sessile.FaultsOf(off); err != nil {
		t.Error(err)
	}
	if got := sessile.DefaultsOf(off); got.MaxLifetime != sessile.NoMaxLifetime || got.MaxSessionsPerUser != sessile.NoSessionLimit || got.MaxAPITokensPerUser != sessile.NoSessionLimit || got.CleanupInterval != sessile.NoCleanup {
		t.Errorf("%v %v %v", got.MaxLifetime, got.MaxSessionsPerUser, got.CleanupInterval)
	}
	if got := sessile.DefaultsOf(sessile.Config{CleanupInterval: -time.Hour}).CleanupInterval; got != sessile.NoCleanup {
		t.Errorf("a negative clean-up interval is %v, want Never", got)
	}
}

func TestConfigWithAShortTTLShortensTheTouchInterval(t *testing.T) {
	c := sessile.Config{TTL: time.Minute}
	if err := sessile.FaultsOf(c); err != nil || sessile.DefaultsOf(c).TouchInterval != 30*time.Second {
		t.Errorf("touch interval %v, %v", sessile.DefaultsOf(c).TouchInterval, err)
	}
}

// If only the absolute timeout is set, the default TTL adapts to it.
func TestConfigLimitsOnlyTheDefaultTTLByTheLifetime(t *testing.T) {
	for _, life := range []time.Duration{time.Second, time.Minute, 29 * 24 * time.Hour} {
		c := sessile.Config{MaxLifetime: life}
		got := sessile.DefaultsOf(c)
		if err := sessile.FaultsOf(c); err != nil || got.TTL != life || got.TouchInterval > life/2 {
			t.Errorf("TTL %v, touch interval %v of a lifetime of %v: %v", got.TTL, got.TouchInterval, life, err)
		}
	}
	for _, c := range []sessile.Config{{MaxLifetime: sessile.NoMaxLifetime}, {MaxLifetime: 31 * 24 * time.Hour}} {
		if got := sessile.DefaultsOf(c).TTL; got != 30*24*time.Hour {
			t.Errorf("TTL %v of a lifetime of %v", got, c.MaxLifetime)
		}
	}
	err := sessile.Config{TTL: 2 * time.Minute, MaxLifetime: time.Minute}.Validate()
	if !errors.Is(err, sessile.ErrInvalidConfig) || !strings.Contains(err.Error(), "ttl: 2m0s is longer than max_lifetime, 1m0s") {
		t.Error(err)
	}
}

// invalid are values that no field may have: negative, out of range, or in conflict with another
// field.
var invalid = map[string][]sessile.Config{
	"path":                    {{Path: ":memory:"}, {Path: "file:x?mode=ro"}, {Path: "dir/"}},
	"ttl":                     {{TTL: -1}, {TTL: 1}, {TTL: math.MaxInt64}, {TTL: math.MinInt64}, {TTL: sessile.MaxLifetime + 1}, {TTL: 2 * time.Hour, MaxLifetime: time.Hour}, {TTL: 91 * 24 * time.Hour}},
	"max_lifetime":            {{MaxLifetime: -2}, {MaxLifetime: -time.Hour}, {MaxLifetime: 1}, {MaxLifetime: math.MaxInt64}, {MaxLifetime: math.MinInt64}}, // A19
	"touch_interval":          {{TouchInterval: -1}, {TTL: time.Hour, TouchInterval: time.Hour + 1}},
	"rotate_grace":            {{RotateGrace: -1}, {RotateGrace: 1}, {RotateGrace: 2 * time.Hour}}, // S24
	"max_sessions_per_user":   {{MaxSessionsPerUser: -2}, {MaxSessionsPerUser: math.MinInt}},
	"max_api_tokens_per_user": {{MaxAPITokensPerUser: -2}, {MaxAPITokensPerUser: math.MinInt}},
	"on_limit":                {{OnLimit: "x"}, {OnLimit: "Evict_Oldest"}},
	"max_guests":              {{MaxGuests: -1}},
	"cache_size":              {{CacheSize: -1}, {CacheSize: math.MaxInt}},
	"cache_bytes":             {{CacheBytes: -1}, {CacheBytes: math.MinInt64}},
	"batch_interval":          {{BatchInterval: -1}, {BatchInterval: 1}, {BatchInterval: 2 * time.Hour}},
	"batch_size":              {{BatchSize: -1}, {BatchSize: 1 << 17}},
	"max_pending":             {{MaxPending: -1}, {MaxPending: math.MaxInt}},
	"max_pending_bytes":       {{MaxPendingBytes: -1}, {MaxPendingBytes: 1}, {MaxPendingBytes: 1 << 20, MaxDataBytes: 1<<20 + 1}},
	"cleanup_interval":        {{CleanupInterval: 1}, {CleanupInterval: math.MaxInt64}},
	"max_data_bytes":          {{MaxDataBytes: -1}, {MaxDataBytes: 1}, {MaxDataBytes: 1 << 25}},
	"close_timeout":           {{CloseTimeout: -1}, {CloseTimeout: 1}, {CloseTimeout: math.MaxInt64}},
}

func TestConfigErrorsNameTheirField(t *testing.T) {
	for field, configs := range invalid {
		for i, c := range configs {
			err := sessile.FaultsOf(c)
			if !errors.Is(err, sessile.ErrInvalidConfig) || !strings.Contains(err.Error(), "\n"+field+": ") {
				t.Errorf("%s, %d: %v", field, i, err)
			}
			if err != nil && strings.Count(err.Error(), "\n") != 1 {
				t.Errorf("%s, %d: one fault, but: %v", field, i, err)
			}
		}
	}
}

func TestConfigReportsAllErrorsAtOnce(t *testing.T) {
	var all sessile.Config
	for field, configs := range invalid {
		for _, f := range reflect.VisibleFields(reflect.TypeFor[sessile.Config]()) {
			if f.Tag.Get("yaml") == field {
				reflect.ValueOf(&all).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(configs[0]).FieldByIndex(f.Index))
			}
		}
	}
	err := sessile.FaultsOf(all)
	if err == nil {
		t.Fatal("no fault")
	}
	for field := range invalid {
		if !strings.Contains(err.Error(), "\n"+field+": ") {
			t.Errorf("%s is missing in %v", field, err)
		}
	}
	if _, joined := errors.Unwrap(err), errors.Is(err, sessile.ErrInvalidConfig); !joined {
		t.Error("the faults are no ErrInvalidConfig")
	}
}

func TestConfigIsASectionOfAFile(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[sessile.Config]()) {
		tag := f.Tag.Get("yaml")
		switch {
		case !f.IsExported():
		case f.Name == "Logger" || f.Name == "Slog" || f.Name == "Events":
			if tag != "-" {
				t.Errorf("%s has the tag %q, want -", f.Name, tag)
			}
		case seen[tag] || !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(tag) || strings.ReplaceAll(tag, "_", "") != strings.ToLower(f.Name):
			t.Errorf("%s has the tag %q", f.Name, tag)
		case f.Type.Kind() == reflect.Bool:
		case strings.Contains("string int int64 time.Duration sessile.LimitPolicy", f.Type.String()):
			if invalid[tag] == nil {
				t.Errorf("%s: no value of it is refused", f.Name)
			}
		default:
			t.Errorf("%s is a %s, which no file can hold", f.Name, f.Type)
		}
		seen[tag] = true
	}
}

// Lifetimes that the configuration lowers also apply to existing sessions, but not to those whose
// login chose its own.
func TestConfigWithALowerLifetimeHoldsForExistingSessions(t *testing.T) {
	const day = 24 * time.Hour
	r := newRestarts(t, sessile.Config{TTL: 10 * day, MaxLifetime: 30 * day})
	x, tok := login(t, r.s, "ann")
	own, ownTok, err := r.s.CreateWith(t.Context(), sessile.NewSession{UserID: "ann", TTL: 20 * day, MaxLifetime: sessile.NoMaxLifetime})
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.TTL, r.cfg.MaxLifetime = 2*day, 5*day
	s := r.again()
	got, err := s.ReadByToken(t.Context(), tok)
	if err != nil || got.TTL() != 2*day || !got.ExpiresAt().Equal(x.CreatedAt().Add(2*day)) || !got.Deadline().Equal(x.CreatedAt().Add(5*day)) {
		t.Errorf("TTL %v, until %v and %v: %v", got.TTL(), got.ExpiresAt(), got.Deadline(), err)
	}
	for range 4 {
		r.clock.pass(day + time.Hour)
		got, err = s.Renew(t.Context(), x.ID())
	}
	if err != nil || !got.ExpiresAt().Equal(x.CreatedAt().Add(5*day)) {
		t.Errorf("renewed until %v: %v", got.ExpiresAt(), err)
	}
	r.clock.pass(day)
	s = r.again()
	if _, err := s.ReadByToken(t.Context(), tok); !errors.Is(err, sessile.ErrExpired) {
		t.Errorf("after the new lifetime: %v", err)
	}
	list, err := s.ListForUser(t.Context(), "ann")
	if err != nil || len(list) != 1 || list[0].ID() != own.ID() || list[0].TTL() != 20*day || !list[0].Deadline().IsZero() {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := s.ReadByToken(t.Context(), ownTok); err != nil {
		t.Errorf("a login that chose its own lifetimes: %v", err)
	}
	r.cfg.TTL, r.cfg.MaxLifetime = 20*day, 40*day
	if got, err := r.again().Read(t.Context(), x.ID()); err != nil || got.TTL() != 10*day {
		t.Errorf("raised again, the TTL is %v: %v", got.TTL(), err)
	}
}
