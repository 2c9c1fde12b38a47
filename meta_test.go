package sessile_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sessile/sessile"
)

const (
	firefox140 = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
	firefox141 = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:141.0) Gecko/20100101 Firefox/141.0"
	chrome138  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
	firefoxMac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0"
	firefoxTab = "Mozilla/5.0 (Android 15; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0"
	firefoxMob = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
)

func TestNewMetaKeepsWhatTheClientSent(t *testing.T) {
	m := sessile.NewMeta("192.0.2.1", firefox140, "de-DE,de;q=0.5")
	if m.IPAddress != "192.0.2.1" || m.UserAgent != firefox140 || m.DeviceName != "Firefox on Windows" || m.DeviceType != "desktop" {
		t.Errorf("%+v", m)
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(m.Fingerprint) {
		t.Errorf("fingerprint is %q", m.Fingerprint)
	}
}

func fingerprint(userAgent, language string) string {
	return sessile.NewMeta("192.0.2.1", userAgent, language).Fingerprint
}

func TestFingerprintSurvivesUpdatesAndNetworks(t *testing.T) { // S41
	want := fingerprint(firefox140, "de-DE,de;q=0.8,en;q=0.5")
	for name, got := range map[string]string{
		"a browser update":          fingerprint(firefox141, "de-DE,de;q=0.8,en;q=0.5"),
		"another network":           sessile.NewMeta("2001:db8::1", firefox140, "de-DE").Fingerprint,
		"the language's region":     fingerprint(firefox140, "de-AT"),
		"spelling of the language":  fingerprint(firefox140, " DE-de ;q=0.9, fr"),
		"less preferred languages":  fingerprint(firefox140, "de, fr;q=0.1"),
		"control characters within": fingerprint("\x00"+firefox140+"\r\n", "de"),
	} {
		if got != want {
			t.Errorf("%s changes it", name)
		}
	}
}

func TestFingerprintTellsDevicesApart(t *testing.T) { // S41
	seen := map[string]string{}
	for name, f := range map[string]string{
		"Firefox on Windows": fingerprint(firefox140, "de"), "Chrome": fingerprint(chrome138, "de"), "macOS": fingerprint(firefoxMac, "de"),
		"tablet": fingerprint(firefoxTab, "de"), "mobile": fingerprint(firefoxMob, "de"), "English": fingerprint(firefox140, "en"),
		"no language": fingerprint(firefox140, ""), "no user agent": fingerprint("", "de"), "nothing": fingerprint("", ""),
	} {
		if other, twice := seen[f]; twice {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[f] = name
	}
}

// The version of the scheme is part of the hash. If this test fails, every session of an
// application that rejects mismatches ends with the update. Then make it scheme 2.
func TestFingerprintSchemeIsFrozen(t *testing.T) { // S41
	// The parts 1, Firefox, Windows, desktop and de, each after its length in two bytes.
	const want = "015afe19955c27fede996d397af55d6439259e31a06ce35acc306c153289377b"
	if got := fingerprint(firefox140, "de-DE"); got != want {
		t.Errorf("fingerprint is %s, want %s", got, want)
	}
}

func TestMetaIsBoundedAndPrintable(t *testing.T) { // S41, S45
	m := sessile.CleanMeta(sessile.Meta{
		IPAddress: strings.Repeat("1", 1000), UserAgent: strings.Repeat("é", 1000), DeviceName: strings.Repeat("x", 127) + "é",
		DeviceType: "desktop\n" + strings.Repeat("y", 100), Fingerprint: strings.Repeat("f", 1<<20),
	})
	if len(m.IPAddress) != 64 || len(m.UserAgent) != 512 || m.DeviceName != strings.Repeat("x", 127) ||
		m.DeviceType != "desktop"+strings.Repeat("y", 9) || len(m.Fingerprint) != 128 {
		t.Errorf("lengths %d %d %d %d %d", len(m.IPAddress), len(m.UserAgent), len(m.DeviceName), len(m.DeviceType), len(m.Fingerprint))
	}
	for in, want := range map[string]string{
		"a\r\nSet-Cookie: x=y": "aSet-Cookie: x=y", "a\x00b\x7fc\u0085d": "abcd", "a\xffb": "ab", "\u202eevil\u2066": "evil",
		"line\u2028break": "linebreak", "zero\u200bwidth\ufeff": "zerowidth", "plain é 😀": "plain é 😀", "\t": "",
	} {
		if got := sessile.CleanMeta(sessile.Meta{UserAgent: in}).UserAgent; got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// expectClean checks one field of a cleaned Meta.
func expectClean(t *testing.T, s string, most int) {
	t.Helper()
	if len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		t.Fatalf("%q is not clean", s)
	}
}

func FuzzUserAgent(f *testing.F) { // S41
	for _, s := range append(userAgents(), "", " ", "Mozilla/5.0 (", ");;//(()", strings.Repeat("(a;b/1 ", 200), "\xff\x00bot/1 (+http://x)") {
		f.Add(s, "de-DE,de;q=0.5")
	}
	f.Fuzz(func(t *testing.T, userAgent, language string) {
		m := sessile.NewMeta("192.0.2.1", userAgent, language)
		expectClean(t, m.UserAgent, 512)
		expectClean(t, m.DeviceName, 128)
		if m.DeviceName == "" || strings.TrimSpace(m.DeviceName) == "" {
			t.Fatalf("%q has no device name", userAgent)
		}
		switch m.DeviceType {
		case "", "desktop", "mobile", "tablet", "bot":
		default:
			t.Fatalf("%q has the device type %q", userAgent, m.DeviceType)
		}
		if sessile.CleanMeta(m) != m {
			t.Fatalf("%+v is not clean", m)
		}
		if again := sessile.NewMeta("", m.UserAgent, language); again.Fingerprint != m.Fingerprint || again.DeviceName != m.DeviceName {
			t.Fatalf("what is kept of %q is another device", userAgent)
		}
	})
}

func BenchmarkNewMeta(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sessile.NewMeta("192.0.2.1", chrome138, "de-DE,de;q=0.5")
	}
}
