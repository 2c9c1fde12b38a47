// Package settings reads the command's settings from the defaults, an optional YAML file, the
// environment and the flags. Later sources override earlier ones. The package reports all faults at
// once. It opens nothing and starts nothing.
package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/persist/postgres"
)

// The values of the setting cookies.
const (
	// CookiesAuto uses insecure cookies on a loopback address without TLS, and secure ones otherwise.
	CookiesAuto = "auto"
	// CookiesSecure uses __Host- cookies with Secure, for TLS here or at a proxy.
	CookiesSecure = "secure"
	// CookiesInsecure drops the prefix and Secure, for development over plain HTTP.
	CookiesInsecure = "insecure"
)

// ErrInvalid is wrapped by the error of Load if a setting is invalid.
var ErrInvalid = errors.New("invalid settings")

// Settings are the command's settings. The tags are the keys of the YAML file and the names of the
// flags (-addr, -store.ttl). In capitals and with the prefix SESSILE_, they are the names of the
// environment variables (SESSILE_ADDR, SESSILE_STORE_TTL).
type Settings struct {
	// Addr is the TCP address to listen on. Port 0 selects a free port.
	Addr string `yaml:"addr"`
	// TLS serves HTTPS with a self-signed certificate that is generated at the start.
	TLS bool `yaml:"tls"`
	// Cookies is CookiesAuto, CookiesSecure or CookiesInsecure.
	Cookies string `yaml:"cookies"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `yaml:"log_level"`
	// FreshFor is how long an authentication is recent enough for a sensitive action.
	FreshFor time.Duration `yaml:"fresh_for"`
	// RememberFor is the idle timeout of a remembered session. Its absolute timeout is three times as long.
	RememberFor time.Duration `yaml:"remember_for"`
	// TrustedProxies are the addresses or networks whose forwarding headers are trusted.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Database is the URL of a PostgreSQL database. If it is set, the store is there and not in the file
	// Store.Path. All nodes with the same database share their sessions. It may contain a password.
	Database string `yaml:"database"`
	// DatabaseFeed is where the node listens for the changes of other nodes, if Database leads to a
	// pooler. It must reach the same database. It may contain a password.
	DatabaseFeed string `yaml:"database_feed"`
	// Socket is the path of the Unix socket for the command sessile. "" is beside Store.Path. NoSocket
	// opens none. A database has none unless it is set.
	Socket string `yaml:"socket"`
	// ReadOnlyAdmin removes every change from the administrator's dashboard.
	ReadOnlyAdmin bool `yaml:"read_only_admin"`
	// Node is the name of this node, which the pages and the header Sessile-Node show. "" shows none.
	Node string `yaml:"node"`
	// Store configures the session store.
	Store sessile.Config `yaml:"store"`
}

// Defaults returns the settings of the demo. Its lifetimes are shorter than the library's, so that
// the countdowns are interesting.
func Defaults() Settings {
	return Settings{
		Addr:        "127.0.0.1:8080",
		Cookies:     CookiesAuto,
		LogLevel:    "info",
		FreshFor:    5 * time.Minute,
		RememberFor: 30 * 24 * time.Hour,
		Store: sessile.Config{
			Path:        "sessile.db",
			TTL:         30 * time.Minute,
			MaxLifetime: 12 * time.Hour,
			// The idle timeout shows an access soon. The library's default writes less often.
			TouchInterval: 10 * time.Second,
		},
	}
}

// NoSocket is the Socket of a demo that opens none.
const NoSocket = "none"

// AdminSocket returns the path of the admin socket, or "" for none.
func (s Settings) AdminSocket() string {
	switch {
	case s.Socket == NoSocket, s.Socket == "" && s.Database != "":
		return ""
	case s.Socket != "":
		return s.Socket
	default:
		return admin.SocketPath(s.Store.Path)
	}
}

// InsecureCookies reports whether the session cookie must work over plain HTTP. Browsers accept
// __Host- and Secure cookies only over HTTPS, so nobody could log in to a demo on a loopback
// address without TLS.
func (s Settings) InsecureCookies() bool {
	if s.Cookies != CookiesAuto {
		return s.Cookies == CookiesInsecure
	}
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil || s.TLS {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Postgres returns the configuration of the PostgreSQL store, for a Database that is set.
func (s Settings) Postgres() postgres.Config {
	return postgres.Config{URL: s.Database, FeedURL: s.DatabaseFeed}
}

// nodeName matches the names that a node may have. They are a header's value.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)

// validate returns all faults of the settings, including the store's.
func (s Settings) validate() []error {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		fault("addr", "%q is not of the form host:port", s.Addr)
	}
	if !slices.Contains([]string{CookiesAuto, CookiesSecure, CookiesInsecure}, s.Cookies) {
		fault("cookies", "%q is invalid: use auto, secure or insecure", s.Cookies)
	}
	if s.TLS && s.Cookies == CookiesInsecure {
		fault("cookies", "insecure cookies cannot be combined with tls")
	}
	if _, err := zapcore.ParseLevel(s.LogLevel); err != nil {
		fault("log_level", "%q is invalid: use debug, info, warn or error", s.LogLevel)
	}
	if s.FreshFor <= 0 {
		fault("fresh_for", "%v must be positive", s.FreshFor)
	}
	if most := 100 * 365 * 24 * time.Hour / 3; s.RememberFor <= 0 || s.RememberFor > most {
		fault("remember_for", "%v must be positive (limit %v)", s.RememberFor, most)
	}
	if !nodeName.MatchString(s.Node) {
		fault("node", "%q is invalid: use up to 64 letters, digits, dots, hyphens and underscores", s.Node)
	}
	faults = append(faults, s.validateDatabase()...)
	if err := s.Store.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("store: %w", err))
	}
	return faults
}

// validateDatabase returns the faults of the database's settings. They do not contain its password.
func (s Settings) validateDatabase() []error {
	if s.Database != "" {
		if err := s.Postgres().Validate(); err != nil {
			return []error{fmt.Errorf("database: %w", err)}
		}
		return nil
	}
	if s.DatabaseFeed != "" {
		return []error{errors.New("database_feed: it needs database")}
	}
	return nil
}
