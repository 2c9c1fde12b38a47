package sessile_test

import (
	"testing"

	"github.com/sessile/sessile"
)

// devices are the names that users see in the list of their sessions.
var devices = []struct{ userAgent, name, kind string }{
	{firefox140, "Firefox on Windows", "desktop"},
	{chrome138, "Chrome on Windows", "desktop"},
	{chrome138 + " Edg/138.0.0.0", "Edge on Windows", "desktop"},
	{chrome138 + " OPR/120.0.0.0", "Opera on Windows", "desktop"},
	{chrome138 + " Vivaldi/7.4.3684.55", "Vivaldi on Windows", "desktop"},
	{"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer on Windows", "desktop"},
	{firefoxMac, "Firefox on macOS", "desktop"},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on macOS", "desktop"},
	{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux", "desktop"},
	{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36", "Chrome on ChromeOS", "desktop"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone", "mobile"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/138.0.7204.53 Mobile/15E148 Safari/604.1", "Chrome on iPhone", "mobile"},
	{"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1", "Safari on iPad", "tablet"},
	{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36", "Chrome on Android", "mobile"},
	{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36", "Chrome on Android", "tablet"},
	{firefoxMob, "Firefox on Android", "mobile"},
	{firefoxTab, "Firefox on Android", "tablet"},
	{"Mozilla/5.0 (Linux; Android 15; SAMSUNG SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Browser on Android", "mobile"},
	{"MyApp/3.1 (iPhone; iOS 18.5; Scale/3.00)", "MyApp on iPhone", "mobile"},
	{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", "bot"},
	{"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", "bot"},
	{"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "Bingbot", "bot"},
	{"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "GPTBot", "bot"},
	{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/138.0.0.0 Safari/537.36", "Headless Chrome", "bot"},
	{"curl/8.5.0", "curl", ""},
	{"Go-http-client/1.1", "Go-http-client", ""},
	{"Mozilla/5.0 (X11; Linux x86_64)", "Linux", "desktop"},
	{"my bot 1.2", "Unknown bot", "bot"},
	{"some random words 1.2.3", "Unknown device", ""},
	{"Mozilla/5.0", "Unknown device", ""},
	{"-", "Unknown device", ""},
	{"   ", "Unknown device", ""},
	{"", "Unknown device", ""},
}

func userAgents() []string {
	all := make([]string, len(devices))
	for i, d := range devices {
		all[i] = d.userAgent
	}
	return all
}

func TestDeviceHasAReadableName(t *testing.T) {
	for _, d := range devices {
		if m := sessile.NewMeta("", d.userAgent, ""); m.DeviceName != d.name || m.DeviceType != d.kind {
			t.Errorf("%q is %q, %q; want %q, %q", d.userAgent, m.DeviceName, m.DeviceType, d.name, d.kind)
		}
	}
}
