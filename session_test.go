package sessile_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

func TestSessionPrintsItsID(t *testing.T) { // S49
	s := someSession(t)
	if want := "Session(" + s.ID.String() + ")"; s.String() != want || s.GoString() != want {
		t.Errorf("%s, %#v; want %s", s, s, want)
	}
}

func TestSessionEncodesWithoutDataAndFingerprint(t *testing.T) { // S49
	s := someSession(t)
	s.TTL, s.DeviceName = time.Hour, "Firefox on Windows"
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"` + s.ID.String() + `","user_id":"ann","ip_address":"","user_agent":"","device_name":"Firefox on Windows","device_type":"",` +
		`"created_at":"2026-05-04T03:02:01.987Z","last_active_at":"2026-05-04T03:02:01.987Z","expires_at":"2026-05-04T03:02:01.987Z",` +
		`"ttl":3600000000000,"authenticated_at":"0001-01-01T00:00:00Z"}`
	if string(raw) != want {
		t.Errorf("%s\nwant %s", raw, want)
	}
	s.Deadline, s.RotatedAt = someTime, someTime
	if raw, err = json.Marshal(s); err != nil || !strings.Contains(string(raw), `"deadline":`) || !strings.Contains(string(raw), `"rotated_at":`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestASessionWithoutUserIsAGuest(t *testing.T) {
	if s := (sessile.Session{}); !s.IsGuest() {
		t.Error("no user, no guest")
	}
	if s := (sessile.Session{UserID: "ann"}); s.IsGuest() {
		t.Error("ann is a guest")
	}
}
