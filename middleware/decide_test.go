package middleware

import (
	"fmt"
	"testing"
)

// combinations calls f with every combination of facts.
func combinations(f func(facts)) {
	bits := []func(*facts) *bool{
		func(x *facts) *bool { return &x.failed }, func(x *facts) *bool { return &x.accessed },
		func(x *facts) *bool { return &x.bearer }, func(x *facts) *bool { return &x.hijacked },
		func(x *facts) *bool { return &x.loggedOut }, func(x *facts) *bool { return &x.sentReplaced },
		func(x *facts) *bool { return &x.outdated }, func(x *facts) *bool { return &x.planted },
		func(x *facts) *bool { return &x.aged },
	}
	for p := absent; p <= issued; p++ {
		for s := tokenCurrent; s <= tokenReplaced; s++ {
			for wish := keepCookie; wish <= removeCookie; wish++ {
				for set := range 1 << len(bits) {
					x := facts{presence: p, standing: s, wish: wish}
					for i, bit := range bits {
						*bit(&x) = set>>i&1 == 1
					}
					f(x)
				}
			}
		}
	}
}

// impossible says why facts cannot occur together when a response begins, or "".
// TestDecideFactsOfRequestsArePossible checks it against real requests.
func (f facts) impossible() string {
	has := f.presence >= found
	asks := f.accessed && !f.bearer
	replaced, outdated := asks && f.removes(), asks && f.renews()
	aged := asks && f.rotates() && !f.outdated
	planted := asks && (f.renews() || f.aged) && !f.outdated
	for reason, is := range map[string]bool{
		"issued is what a created session becomes afterwards":            f.presence == issued,
		"without a session there is no token":                            !has && f.standing != tokenCurrent,
		"a created session's token was never replaced before it existed": f.presence == created && (f.standing == tokenGraced || f.standing == tokenStranded),
		"a rotation of a created session makes no difference":            f.presence == created && f.standing == tokenOurs,
		"what is sent is a token":                                        f.wish == sendCookie && !has,
		"what is removed opens nothing":                                  f.wish == removeCookie && has,
		"a reserved cookie is removed by a logout alone":                 f.presence == reserved && f.wish == removeCookie && !f.loggedOut,
		"whoever ended the session has dealt with the cookie":            f.presence == gone && f.wish != keepCookie,
		"a token that is not the last is not sent":                       f.wish == sendCookie && !f.standing.last(),
		"the token of a rotation or login is to be sent":                 f.wish != sendCookie && (f.standing == tokenOurs || f.presence == created && f.standing == tokenCurrent),
		"the session is created, rotated and left by methods only":       !f.accessed && (f.presence == created || f.standing == tokenOurs || f.loggedOut),
		"it was not asked whether a login replaced what was sent":        f.sentReplaced && !replaced,
		"it was not asked whether the token is outdated":                 f.outdated && !outdated,
		"it was not asked whether the token is aged":                     f.aged && !aged,
		"it was not asked whether the cookie may be planted":             f.planted && !planted,
		"a stranded token that may be replaced is aged":                  f.standing == tokenStranded && !f.aged && aged,
	} {
		if is {
			return reason
		}
	}
	return ""
}

// TestDecideKeepsItsRulesForEveryCombination checks 46,080 combinations. It states each rule
// independently of the order of the cases in decide.
func TestDecideKeepsItsRulesForEveryCombination(t *testing.T) {
	all, possible := 0, 0
	combinations(func(f facts) {
		all++
		do := f.decide()
		if f.impossible() != "" {
			return
		}
		possible++
		for rule, broken := range map[string]bool{
			"discard is for a created session whose data is lost, and for no other": (do == discard) != (f.presence == created && f.failed),
			"what nobody looked at stays cacheable":                                 !f.accessed && do != keep && do != discard,
			"a token is sent only where there is a session":                         (do == send || do == rotate) && f.presence < found,
			"a created session's token is sent":                                     f.presence == created && !f.failed && f.standing == tokenCurrent && do != send && do != rotate,
			"a token is sent over a newer one":                                      do == send && f.presence == found && !f.bearer && (f.outdated || !f.standing.last()),
			"a planted cookie is spread":                                            (do == rotate || do == send && f.presence == found && f.standing != tokenOurs) && f.planted && !f.bearer,
			"the token before is dead, and the new one is not sent":                 f.standing == tokenOurs && !f.outdated && do != send && do != rotate,
			"a cookie that may be good is removed":                                  do == remove && !f.loggedOut && !f.bearer && (f.sentReplaced || f.presence != absent),
			"a logout leaves the cookie":                                            f.loggedOut && f.wish == removeCookie && do != remove,
			"a dead cookie stays":                                                   f.wish == removeCookie && f.accessed && !f.sentReplaced && do != remove,
			"a renewal is dropped":                                                  f.wish == sendCookie && f.accessed && !f.failed && !f.outdated && !f.planted && do != send && do != rotate,
			"something is done that nobody wanted":                                  f.wish == keepCookie && do != keep && do != rotate && do != discard,
			"a token is replaced that must not be": do == rotate && (f.failed || f.bearer || f.hijacked || !f.aged ||
				f.standing == tokenGraced || f.standing == tokenReplaced || f.outdated),
			"a token is not replaced when it is time": f.aged && !f.planted && do != rotate,
		} {
			if broken {
				t.Errorf("%s: %+v: action %d", rule, f, do)
			}
		}
	})
	t.Logf("%d of %d combinations are possible", possible, all)
	if all != 6*5*3*512 {
		t.Error(fmt.Sprint(all, " combinations"))
	}
}
