package settings

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// load calls Load with a settings file of that content, unless it is empty.
func load(t *testing.T, file string, environ []string, args ...string) (Settings, []string, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "sessile.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-config", path}, args...)
	}
	return Load(Sources{Command: "sessile demo", Args: args, Environ: environ, Usage: io.Discard})
}

func TestLaterSourcesWin(t *testing.T) {
	const file = "addr: 127.0.0.1:1\nlog_level: warn\nstore:\n  ttl: 10m\n  path: file.db\n  batch_interval: 100ms\n"
	environ := []string{"SESSILE_ADDR=127.0.0.1:2", "SESSILE_STORE_PATH=env.db", "PATH=/bin"}
	s, warnings, err := load(t, file, environ, "-db", "flag.db", "-tls")
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	for _, c := range []struct {
		what      string
		got, want any
	}{
		{"default", s.FreshFor, Defaults().FreshFor},
		{"file over default", s.LogLevel, "warn"},
		{"file, in a section", s.Store.TTL, 10 * time.Minute},
		{"file, a duration", s.Store.BatchInterval, 100 * time.Millisecond},
		{"environment over file", s.Addr, "127.0.0.1:2"},
		{"flag over environment", s.Store.Path, "flag.db"},
		{"flag without a value", s.TLS, true},
		{"default beside a set key of its section", s.Store.MaxLifetime, Defaults().Store.MaxLifetime},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestEverySettingIsAFlagAVariableAndAKey(t *testing.T) {
	for _, k := range allKeys() {
		if k.help == "" {
			t.Errorf("%s: no help", k.name)
		}
	}
	s, _, err := load(t, "", []string{"SESSILE_TRUSTED_PROXIES=10.0.0.0/8, ::1", "SESSILE_STORE_CACHE_SIZE=7"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.TrustedProxies) != 2 || s.TrustedProxies[1] != "::1" || s.Store.CacheSize != 7 {
		t.Errorf("from the environment: %v, %d", s.TrustedProxies, s.Store.CacheSize)
	}
}

func TestConfigCanComeFromTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessile.yaml")
	if err := os.WriteFile(path, []byte("trusted_proxies: [192.0.2.1]\nstore:\n  ttl:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, err := load(t, "", []string{"SESSILE_CONFIG=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.TrustedProxies) != 1 || s.Store.TTL != Defaults().Store.TTL {
		t.Errorf("%v, %v: a key with nothing behind it leaves the default", s.TrustedProxies, s.Store.TTL)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	const file = "adr: :80\nfresh_for: 300\nstore:\n  pth: x.db\n  ttl: soon\nlogs: {level: debug}\n"
	_, _, err := load(t, file, []string{"SESSILE_TLS=perhaps"}, "-store.batch_size", "many")
	if !errors.Is(err, ErrInvalid) {
		t.Fatalf("%v is no ErrInvalid", err)
	}
	for _, fault := range []string{"adr: unknown key", "store.pth: unknown key", "logs: unknown key", "fresh_for: must be a duration", "'store.ttl'", "'store.batch_size'", "'tls'"} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%q is not reported in:\n%v", fault, err)
		}
	}
}

func TestWrongValuesAreReportedAtOnce(t *testing.T) {
	_, _, err := load(t, "", nil, "-addr", "nowhere", "-cookies", "sweet", "-log_level", "loud", "-fresh_for", "0s", "-remember_for", "-1h")
	for _, key := range []string{"addr", "cookies", "log_level", "fresh_for", "remember_for"} {
		if !strings.Contains(err.Error(), key+":") {
			t.Errorf("%s is not reported in:\n%v", key, err)
		}
	}
}

func TestLoadSwitchesOffByEveryWordFromEverySource(t *testing.T) {
	for _, word := range []string{"never", "none", "off", "Off", "unlimited", "-1"} {
		all := "store: {max_lifetime: " + word + ", cleanup_interval: " + word + ", max_sessions_per_user: " + word + "}\n"
		for source, sources := range map[string]struct {
			file    string
			environ []string
			args    []string
		}{
			"file":        {file: all},
			"environment": {environ: []string{"SESSILE_STORE_MAX_LIFETIME=" + word, "SESSILE_STORE_CLEANUP_INTERVAL=" + word, "SESSILE_STORE_MAX_SESSIONS_PER_USER=" + word}},
			"flags":       {args: []string{"-store.max_lifetime", word, "-store.cleanup_interval=" + word, "-store.max_sessions_per_user", word}},
		} {
			s, warnings, err := load(t, sources.file, sources.environ, sources.args...)
			got := s.Store
			if err != nil || len(warnings) > 0 || got.MaxLifetime != sessile.NoMaxLifetime ||
				got.CleanupInterval != sessile.NoCleanup || got.MaxSessionsPerUser != sessile.NoSessionLimit {
				t.Errorf("%s, %s: %v, %v, %d; %v", source, word, got.MaxLifetime, got.CleanupInterval, got.MaxSessionsPerUser, err)
			}
		}
	}
}

func TestLoadErrorNamesTheWordsForOff(t *testing.T) {
	_, _, err := load(t, "store: {max_lifetime: 90, cleanup_interval: true}\n", []string{"SESSILE_STORE_MAX_SESSIONS_PER_USER=many"}, "-store.ttl", "off")
	for _, fault := range []string{
		`store.max_lifetime: "90" is neither a duration with a unit, such as "30m", nor one of never, none, off, unlimited, -1`,
		`store.cleanup_interval: "true" is neither a duration`,
		`store.max_sessions_per_user: "many" is neither a number nor one of never, none, off, unlimited, -1`,
		`'store.ttl'`,
	} {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%q is not reported in:\n%v", fault, err)
		}
	}
}

// A default adapts to explicit settings. Explicit settings do not adapt.
func TestLoadOverridesTheDefaultsOfTheDemo(t *testing.T) {
	s, _, err := load(t, "", nil, "-store.max_lifetime", "8s")
	if err != nil || s.Store.TTL != 8*time.Second || s.Store.TouchInterval != 4*time.Second {
		t.Errorf("ttl %v, touch interval %v: %v", s.Store.TTL, s.Store.TouchInterval, err)
	}
	if _, _, err := load(t, "", nil, "-store.max_lifetime", "8s", "-store.ttl", "30m"); err == nil || !strings.Contains(err.Error(), "30m0s is longer than max_lifetime, 8s") {
		t.Error(err)
	}
	if s, _, err := load(t, "", nil, "-store.max_lifetime", "48h"); err != nil || s.Store.TTL != Defaults().Store.TTL {
		t.Errorf("ttl %v: %v", s.Store.TTL, err)
	}
}

func TestUnusableFilesAreReported(t *testing.T) {
	for name, file := range map[string]string{
		"not YAML":              "a: [",
		"a section that is one": "store: 7\n",
		"a key twice":           "addr: a:1\naddr: b:1\n",
	} {
		if _, _, err := load(t, file, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if _, _, err := load(t, "", nil, "-config", filepath.Join(t.TempDir(), "missing.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	_, warnings, err := load(t, "", []string{"SESSILE_STORE_PTH=x", "SESSILE_ADDR=127.0.0.1:0", "OTHER=1"})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "SESSILE_STORE_PTH") {
		t.Errorf("%v, %v", warnings, err)
	}
}

func TestHelpListsEverySetting(t *testing.T) {
	var out bytes.Buffer
	_, _, err := Load(Sources{Command: "sessile demo", Args: []string{"-h"}, Usage: &out})
	if !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, k := range allKeys() {
		if !strings.Contains(out.String(), "-"+k.name) || !strings.Contains(out.String(), k.variable()) {
			t.Errorf("%s is missing in:\n%s", k.name, out.String())
		}
	}
}

func TestCookiesAreInsecureOnlyWhereTheyHaveToBe(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{nil, true},
		{[]string{"-addr", "[::1]:0"}, true},
		{[]string{"-addr", "localhost:0"}, true},
		{[]string{"-tls"}, false},
		{[]string{"-addr", ":8080"}, false},
		{[]string{"-addr", "192.0.2.1:8080"}, false},
		{[]string{"-addr", "192.0.2.1:8080", "-cookies", "insecure"}, true},
		{[]string{"-cookies", "secure"}, false},
	} {
		s, _, err := load(t, "", nil, c.args...)
		if err != nil {
			t.Fatal(c.args, err)
		}
		if got := s.InsecureCookies(); got != c.want {
			t.Errorf("%v: insecure %v, want %v", c.args, got, c.want)
		}
	}
	if _, _, err := load(t, "", nil, "-tls", "-cookies", "insecure"); !errors.Is(err, ErrInvalid) {
		t.Errorf("insecure cookies with TLS: %v", err)
	}
}

func TestLoadAcceptsTheExampleFile(t *testing.T) {
	s, _, err := load(t, "", nil, "-config", filepath.Join("..", "..", "sessile.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr != Defaults().Addr || s.Store.TTL != Defaults().Store.TTL {
		t.Errorf("%+v", s)
	}
}
