package sessile

import "github.com/mileusna/useragent"

// device is what a user agent tells of a device, without versions.
type device struct {
	browser string
	os      string
	kind    string // desktop, mobile, tablet, bot, or "" if nothing is known
	model   string
}

func parseDevice(userAgent string) device {
	if userAgent == "" {
		return device{}
	}
	ua := useragent.Parse(userAgent)
	d := device{browser: ua.Name, os: ua.OS}
	switch {
	case ua.Bot:
		d.kind = "bot"
	case ua.Tablet:
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

// name is for people: "Firefox on Windows", "Safari on iPhone", "Googlebot".
func (d device) name() string {
	where := d.os
	if d.model != "" {
		where = d.model
	}
	switch {
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
