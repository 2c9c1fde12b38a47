package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

// restoreText says what a restore will do.
func restoreText(r sessile.RestoreReport, v restoration, now time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if r.Made.IsZero() {
		line("The file is no copy that Sessile made, so it does not say how old it is.")
	} else {
		line("The backup was made %s.", moment(r.Made, now))
	}
	line("It holds %s that are active.", sessions(r.Sessions))
	switch {
	case r.Unreadable != nil:
		line("The old file cannot be read, so nobody knows which of them were logged out since:\n  %s", terminal.Clean(r.Unreadable.Error()))
	case r.Replaced == "":
		line("There is no old file to compare it with.")
	default:
		line("%8s  were logged out or evicted since, and become valid again.", number(r.Revived))
		line("%8s  got a new token since, and go back to the old one.", number(r.Rotated))
		line("%8s  of the old file are lost: their users must log in again.", number(r.Lost))
	}
	if v.revived || v.since != "" {
		line("%8s  end before anybody can use them, as you asked.", number(r.Ended))
	} else if r.Revived+r.Rotated > 0 {
		line("--revoke-revived ends those that would become valid again. --revoke-since TIME ends all\nthat were used at that time or later.")
	} else if r.Unreadable != nil {
		line("--revoke-since TIME ends those that were used at that time or later.")
	}
	return strings.TrimRight(b.String(), "\n")
}

// printRestored says what a restore did.
func (a *app) printRestored(r sessile.RestoreReport) error {
	if a.output == "json" {
		out := map[string]any{
			"sessions": r.Sessions, "revived": r.Revived, "rotated": r.Rotated, "lost": r.Lost, "ended": r.Ended, "replaced": r.Replaced,
		}
		if !r.Made.IsZero() {
			out["made"] = r.Made.UTC()
		}
		if r.Unreadable != nil {
			out["unreadable"] = r.Unreadable.Error()
		}
		return a.printJSON(out)
	}
	a.say("Restored %s.", sessions(r.Sessions-r.Ended))
	if r.Replaced != "" {
		a.say("The old file is now %s.", terminal.Quote(r.Replaced))
	}
	return nil
}
