package sessile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a session keeps of its client, in bytes.
const (
	maxIP         = 64
	maxUserAgent  = 512
	maxDeviceName = 128
	maxDeviceType = 16
	maxFinger     = 128
)

// Meta describes the client that a session began with. It prints as the name of the device. Its
// JSON leaves out the fingerprint. In an unexported field it prints with the fingerprint, because
// package fmt calls no methods there.
type Meta struct {
	IPAddress   string
	UserAgent   string
	DeviceName  string // for people, like "Firefox on Windows"
	DeviceType  string // "desktop", "mobile", "tablet", "bot" or ""
	Fingerprint string `json:"-" xml:"-" yaml:"-"`
}

// String returns the name of the device.
func (m Meta) String() string { return "Meta(" + strconv.Quote(m.DeviceName) + ")" }

// GoString returns the same as String.
func (m Meta) GoString() string { return m.String() }

// Format prints String for every verb, so that %+v does not print the fingerprint.
func (m Meta) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// LogValue returns String for slog.
func (m Meta) LogValue() slog.Value { return slog.StringValue(m.String()) }

// NewMeta returns a Meta for a client's address and its User-Agent and Accept-Language headers. The
// fingerprint is a SHA-256 over the browser family, the operating system, the device type and the
// first language. It survives a browser update and a change of network.
func NewMeta(ip, userAgent, acceptLanguage string) Meta {
	d := parseDevice(clip(userAgent, maxUserAgent))
	return Meta{
		IPAddress: ip, UserAgent: userAgent, DeviceName: d.name(), DeviceType: d.kind,
		Fingerprint: fingerprint(d, language(acceptLanguage)),
	}.clean()
}

// fingerprint hashes the parts with their lengths, so that different parts cannot concatenate to
// the same bytes.
func fingerprint(d device, lang string) string {
	h := sha256.New()
	for _, part := range []string{"1", d.browser, d.os, d.kind, lang} {
		h.Write([]byte{byte(len(part) >> 8), byte(len(part))})
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// language returns the primary subtag of the first language in an Accept-Language header.
func language(header string) string {
	first, _, _ := strings.Cut(clip(header, maxUserAgent), ",")
	first, _, _ = strings.Cut(first, ";")
	primary, _, _ := strings.Cut(strings.TrimSpace(first), "-")
	return strings.ToLower(primary)
}

// clean limits every field and drops control characters and invalid UTF-8.
func (m Meta) clean() Meta {
	return Meta{
		IPAddress: clip(m.IPAddress, maxIP), UserAgent: clip(m.UserAgent, maxUserAgent),
		DeviceName: clip(m.DeviceName, maxDeviceName), DeviceType: clip(m.DeviceType, maxDeviceType),
		Fingerprint: clip(m.Fingerprint, maxFinger),
	}
}

// clip returns the printable part of s, at most n bytes of it.
func clip(s string, n int) string {
	if len(s) > 4*n {
		s = s[:4*n] // a header may be a megabyte, and the rest cannot matter
	}
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
