// Package settings gathers the command's settings from its defaults, an optional
// YAML file, the environment and its flags, in that order: what comes later wins.
// It knows names, types and where a value came from, and reports every fault it
// finds at once; it opens nothing and starts nothing.
package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile"
)

// What the cookies setting may be.
const (
	// CookiesAuto sends insecure cookies to a loopback address without TLS, and secure ones otherwise.
	CookiesAuto = "auto"
	// CookiesSecure sends __Host- cookies with Secure: over TLS, or behind a proxy that ends it.
	CookiesSecure = "secure"
	// CookiesInsecure drops the prefix and Secure, for plain HTTP in development.
	CookiesInsecure = "insecure"
)

// ErrInvalid is what Load returns, wrapped, when a setting is wrong.
var ErrInvalid = errors.New("invalid settings")

// Settings are what the command needs to know. The tags are the keys of the YAML
// file, of the flags (-addr, -store.ttl) and, in capitals with SESSILE_ in front,
// of the environment (SESSILE_ADDR, SESSILE_STORE_TTL).
type Settings struct {
	// Addr is the TCP address to listen on; port 0 takes a free one.
	Addr string `yaml:"addr"`
	// TLS serves HTTPS with a certificate that is made at the start and signed by itself.
	TLS bool `yaml:"tls"`
	// Cookies is CookiesAuto, CookiesSecure or CookiesInsecure.
	Cookies string `yaml:"cookies"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `yaml:"log_level"`
	// FreshFor is how long an authentication counts as recent for a dangerous action.
	FreshFor time.Duration `yaml:"fresh_for"`
	// RememberFor is the sliding lifetime of a session whose user asked to be remembered; its absolute one is three times that.
	RememberFor time.Duration `yaml:"remember_for"`
	// TrustedProxies are the addresses or networks whose forwarding headers are believed.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Store is the session store's own configuration.
	Store sessile.Config `yaml:"store"`
}

// Defaults are the settings of a demo: shorter lifetimes than the library's own,
// so that there is something to see in the countdowns.
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
			// An access shows in the idle timeout soon; the library writes it down less often.
			TouchInterval: 10 * time.Second,
		},
	}
}

// InsecureCookies reports whether the session cookie must work over plain HTTP.
// Browsers keep __Host- and Secure cookies for HTTPS alone, so a demo on a
// loopback address without TLS could not log anybody in with them.
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

// validate reports every fault of the settings, the store's included.
func (s Settings) validate() []error {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		fault("addr", "%q is not host:port", s.Addr)
	}
	if !slices.Contains([]string{CookiesAuto, CookiesSecure, CookiesInsecure}, s.Cookies) {
		fault("cookies", "%q is none of auto, secure, insecure", s.Cookies)
	}
	if s.TLS && s.Cookies == CookiesInsecure {
		fault("cookies", "insecure cookies make no sense together with tls")
	}
	if _, err := zapcore.ParseLevel(s.LogLevel); err != nil {
		fault("log_level", "%q is none of debug, info, warn, error", s.LogLevel)
	}
	if s.FreshFor <= 0 {
		fault("fresh_for", "%v is not more than 0", s.FreshFor)
	}
	if most := 100 * 365 * 24 * time.Hour / 3; s.RememberFor <= 0 || s.RememberFor > most {
		fault("remember_for", "%v is not more than 0, or more than %v", s.RememberFor, most)
	}
	if err := s.Store.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("store: %w", err))
	}
	return faults
}
