package sessile

import (
	"strings"

	"github.com/mileusna/useragent"
)

// device is what a user agent says about a device, without versions.
type device struct {
	browser string
	os      string
	kind    string // desktop, mobile, tablet, bot, or "" if unknown
	model   string
}

func parseDevice(userAgent string) device {
	if userAgent == "" {
		return device{}
	}
	ua := useragent.Parse(userAgent)
	d := device{browser: browserName(ua), os: ua.OS}
	switch {
	case ua.Bot:
		d.kind = "bot"
	case ua.Tablet, androidTablet(ua):
		d.kind = "tablet"
	case ua.Mobile:
		d.kind = "mobile"
	case ua.Desktop:
		d.kind = "desktop"
	}
	if ua.Device == "iPhone" || ua.Device == "iPad" {
		d.model = ua.Device
	}
	return d
}

// browserName returns the browser family. The library returns an unrecognised user agent as a
// whole, with its versions; that counts as unknown.
func browserName(ua useragent.UserAgent) string {
	switch ua.Name {
	case ua.String, "X11", useragent.Mozilla:
		return ""
	case "Trident":
		return useragent.InternetExplorer
	default:
		return strings.TrimSpace(ua.Name)
	}
}

// androidTablet recognises Android tablets: Chrome says "Mobile" on phones only
// (developer.chrome.com, user-agent strings).
func androidTablet(ua useragent.UserAgent) bool {
	return ua.IsAndroid() && strings.Contains(ua.String, "Chrome/") && !strings.Contains(ua.String, "Mobile")
}

// name returns a name for people, such as "Firefox on Windows", "Safari on iPhone" or "Googlebot".
func (d device) name() string {
	where := d.os
	if d.model != "" {
		where = d.model
	}
	switch {
	case d.browser == "" && d.kind == "bot":
		return "Unknown bot"
	case d.browser == "" && where == "":
		return "Unknown device"
	case d.kind == "bot" || where == "":
		return d.browser
	case d.browser == "":
		return where
	default:
		return d.browser + " on " + where
	}
}
