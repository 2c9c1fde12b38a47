package sessile

import "github.com/sessile/sessile/persist"

// Remember says whether a client keeps its token when the browser closes ("remember me"). Package
// middleware sends a cookie with or without Max-Age accordingly. The lifetimes of the session are
// independent of it: NewSession.TTL and NewSession.MaxLifetime set them.
type Remember uint8

// The values.
const (
	RememberDefault Remember = iota // the middleware's Options.Cookie.SessionCookie decides
	RememberYes                     // the token outlives the browser
	RememberNo                      // the browser drops the token when it closes
)

// RememberIf returns RememberYes or RememberNo, for example for the checkbox of a login form.
func RememberIf(yes bool) Remember {
	if yes {
		return RememberYes
	}
	return RememberNo
}

// flags returns what is stored.
func (r Remember) flags() persist.Flags {
	switch r {
	case RememberYes:
		return persist.RememberChosen | persist.RememberPermanent
	case RememberNo:
		return persist.RememberChosen
	default:
		return 0
	}
}

// rememberOf is the reverse of Remember.flags.
func rememberOf(f persist.Flags) Remember {
	if f&persist.RememberChosen == 0 {
		return RememberDefault
	}
	return RememberIf(f&persist.RememberPermanent != 0)
}
