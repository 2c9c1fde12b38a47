package sessile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// sentinels are the exported errors and the variables that they alias.
var sentinels = map[string]struct{ exported, origin error }{
	"ErrNotFound":      {sessile.ErrNotFound, persist.ErrNotFound},
	"ErrUnavailable":   {sessile.ErrUnavailable, persist.ErrUnavailable},
	"ErrUnknown":       {sessile.ErrUnknown, persist.ErrUnknown},
	"ErrCorrupt":       {sessile.ErrCorrupt, persist.ErrCorrupt},
	"ErrLocked":        {sessile.ErrLocked, persist.ErrLocked},
	"ErrNewer":         {sessile.ErrNewer, persist.ErrNewer},
	"ErrNotStore":      {sessile.ErrNotStore, persist.ErrNotStore},
	"ErrReadOnly":      {sessile.ErrReadOnly, persist.ErrReadOnly},
	"ErrExpired":       {sessile.ErrExpired, actor.ErrExpired},
	"ErrClosed":        {sessile.ErrClosed, actor.ErrClosed},
	"ErrOverloaded":    {sessile.ErrOverloaded, actor.ErrOverloaded},
	"ErrNotDurable":    {sessile.ErrNotDurable, actor.ErrNotDurable},
	"ErrLimitReached":  {sessile.ErrLimitReached, actor.ErrLimitReached},
	"ErrConflict":      {sessile.ErrConflict, actor.ErrConflict},
	"ErrDataTooLarge":  {sessile.ErrDataTooLarge, actor.ErrDataTooLarge},
	"ErrInvalidToken":  {sessile.ErrInvalidToken, nil},
	"ErrInvalidID":     {sessile.ErrInvalidID, nil},
	"ErrInvalidUserID": {sessile.ErrInvalidUserID, nil},
	"ErrInvalidData":   {sessile.ErrInvalidData, nil},
	"ErrWrongType":     {sessile.ErrWrongType, nil},
	"ErrInvalidTime":   {sessile.ErrInvalidTime, nil},
	"ErrInvalidConfig": {sessile.ErrInvalidConfig, nil},
}

func TestErrorsAreTheSameInEveryPackage(t *testing.T) {
	for name, e := range sentinels {
		if e.origin != nil && e.exported != e.origin { //nolint:errorlint // the variable itself is what counts
			t.Errorf("%s is not the variable of the package below", name)
		}
		if !errors.Is(fmt.Errorf("reading: %w", e.exported), e.exported) {
			t.Errorf("%s is not found when it is wrapped", name)
		}
	}
}

func TestErrorsAreNotTakenForOneAnother(t *testing.T) { // S48
	for name, e := range sentinels {
		for other, o := range sentinels {
			is := errors.Is(e.exported, o.exported)
			want := name == other || (name == "ErrExpired" || name == "ErrInvalidToken") && other == "ErrNotFound"
			if is != want {
				t.Errorf("%s is %s: %t", name, other, is)
			}
			if name != other && e.exported.Error() == o.exported.Error() {
				t.Errorf("%s and %s read the same: %v", name, other, e.exported)
			}
		}
		if s := e.exported.Error(); s == "" || strings.HasPrefix(s, "failed") || strings.HasSuffix(s, ".") {
			t.Errorf("%s reads %q", name, s)
		}
	}
}
