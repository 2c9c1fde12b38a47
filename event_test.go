package sessile_test

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/sessile/sessile"
)

func TestEventsCarryNoSecrets(t *testing.T) { // S50, A12
	var names []string
	for f := range reflect.TypeFor[sessile.Event]().Fields() {
		switch f.Type {
		case reflect.TypeFor[sessile.Token](), reflect.TypeFor[sessile.Data](), reflect.TypeFor[sessile.Session](), reflect.TypeFor[any](), reflect.TypeFor[[]byte]():
			t.Errorf("%s is a %s", f.Name, f.Type)
		}
		names = append(names, f.Name)
	}
	if want := []string{"Kind", "SessionID", "UserID", "At", "Reason"}; !reflect.DeepEqual(names, want) {
		t.Errorf("an event has %v: is that safe to log? Expected %v", names, want)
	}
}

func TestEventKindsAreDistinctWords(t *testing.T) {
	seen := map[sessile.EventKind]bool{}
	for _, k := range []sessile.EventKind{
		sessile.EventCreated, sessile.EventRotated, sessile.EventDestroyed, sessile.EventExpired, sessile.EventEvicted,
		sessile.EventLimitReached, sessile.EventQuarantined, sessile.EventHealth, sessile.EventUnknownToken, sessile.EventTokenReused,
		sessile.EventFingerprintMismatch, sessile.EventAmbiguousCookies, sessile.EventUnreadable,
	} {
		if seen[k] || !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(string(k)) {
			t.Errorf("kind %q", k)
		}
		seen[k] = true
	}
}
