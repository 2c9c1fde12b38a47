package sessile_test

import (
	"bytes"
	"encoding/json"
	"html/template"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// fullRecord returns a record without zero fields, always with the same ID.
func fullRecord(tb testing.TB) persist.Record {
	tb.Helper()
	at := func(hours int) int64 { return someTime.Add(time.Duration(hours) * time.Hour).UnixMicro() }
	return persist.Record{
		Identity: &persist.Identity{
			ID: persist.ID(fullID(tb)), UserID: "ann", IPAddress: "192.0.2.1", UserAgent: "Mozilla/5.0", DeviceName: "Firefox on Windows",
			DeviceType: "desktop", Fingerprint: "f1", CreatedAt: at(0), Deadline: at(9), TTL: time.Hour.Microseconds(),
		},
		Rotation:   &persist.Rotation{At: at(2)},
		LastActive: at(3), ExpiresAt: at(4), AuthAt: at(1),
	}
}

func fullID(tb testing.TB) sessile.ID {
	tb.Helper()
	id, err := sessile.ParseID("01KQREZ103NF6VEXYX0Z85Z7KV")
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func TestSessionMatchesItsRecord(t *testing.T) {
	r := fullRecord(t)
	s := sessile.SessionOf(r, sessile.StoredData(`{"n":1}`))
	at := func(hours int) time.Time { return someTime.Add(time.Duration(hours) * time.Hour) }
	got := [...]any{
		s.ID(), s.UserID(), s.IPAddress(), s.UserAgent(), s.DeviceName(), s.DeviceType(), s.Fingerprint(), string(s.Data().JSON()), s.CreatedAt(),
		s.AuthenticatedAt(), s.RotatedAt(), s.LastActiveAt(), s.ExpiresAt(), s.Deadline(), s.TTL(), s.IsGuest(), s.IsZero(), s.TokenReplaced(),
	}
	want := [...]any{
		fullID(t), "ann", "192.0.2.1", "Mozilla/5.0", "Firefox on Windows", "desktop", "f1", `{"n":1}`, at(0),
		at(1), at(2), at(3), at(4), at(9), time.Hour, false, false, false,
	}
	if got != want {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestSessionTimesAreZeroWhereThereIsNone(t *testing.T) {
	r := fullRecord(t)
	r.Deadline, r.Rotation, r.AuthAt = persist.NoDeadline, nil, 0
	s := sessile.SessionOf(r, sessile.Data{})
	if !s.Deadline().IsZero() || !s.RotatedAt().IsZero() || !s.AuthenticatedAt().Equal(s.CreatedAt()) {
		t.Errorf("deadline %v, rotated %v, authenticated %v", s.Deadline(), s.RotatedAt(), s.AuthenticatedAt())
	}
	r.AuthAt = persist.Unproven
	if s := sessile.SessionOf(r, sessile.Data{}); !s.AuthenticatedAt().IsZero() {
		t.Errorf("authenticated at %v, and nobody can say when", s.AuthenticatedAt())
	}
	r.Deadline = someTime.UnixMicro()
	if s := sessile.SessionOf(r, sessile.Data{}); !s.ExpiresAt().Equal(someTime) {
		t.Errorf("it expires at %v, after its deadline", s.ExpiresAt())
	}
}

// TestSessionZeroIsNoSession: every method is safe and returns a zero value.
func TestSessionZeroIsNoSession(t *testing.T) {
	zero := reflect.ValueOf(sessile.Session{})
	niladic := 0
	for i := range zero.NumMethod() {
		m := zero.Type().Method(i)
		if m.Type.NumIn() != 1 || m.Type.NumOut() != 1 {
			continue
		}
		niladic++
		switch out := zero.Method(i).Call(nil)[0]; m.Name {
		case "IsZero", "IsGuest":
			if !out.Bool() {
				t.Errorf("%s is false", m.Name)
			}
		case "String", "GoString", "LogValue":
			if got := out.Interface(); got != "Session(none)" && !reflect.DeepEqual(got, slog.StringValue("Session(none)")) {
				t.Errorf("%s is %v", m.Name, got)
			}
		case "Data":
			if d, _ := reflect.TypeAssert[sessile.Data](out); d.Len() != len("{}") {
				t.Errorf("the data is %s", d.JSON())
			}
		default:
			if !out.IsZero() {
				t.Errorf("%s is %v", m.Name, out)
			}
		}
	}
	if niladic < 20 {
		t.Errorf("%d methods were called", niladic)
	}
	var s sessile.Session
	if raw, err := json.Marshal(map[string]any{"s": s}); err != nil || string(raw) != `{"s":null}` {
		t.Errorf("%s, %v", raw, err)
	}
	if line := zapLine(func(l *zap.Logger) { l.Info("x", zap.Object("s", s)) }); !strings.Contains(line, `{"s": {}}`) {
		t.Errorf("zap writes %s", line)
	}
	if _, ok, err := sessile.Get[string](s, "k"); ok || err != nil {
		t.Errorf("a key is there: %v, %v", ok, err)
	}
}

func TestSessionPrintsItsID(t *testing.T) { // S49
	s := someSession(t)
	if want := "Session(" + s.ID().String() + ")"; s.String() != want || s.GoString() != want {
		t.Errorf("%s, %#v; want %s", s, s, want)
	}
}

func TestSessionEncodesWithoutDataAndFingerprint(t *testing.T) { // S49
	r := fullRecord(t)
	r.IPAddress, r.UserAgent, r.DeviceType = "", "", ""
	r.Deadline, r.Rotation, r.AuthAt = persist.NoDeadline, nil, persist.Unproven
	r.LastActive, r.ExpiresAt = r.CreatedAt, r.CreatedAt
	s := sessile.SessionOf(r, sessile.StoredData(`{"k":"secret"}`))
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"` + s.ID().String() + `","user_id":"ann","ip_address":"","user_agent":"","device_name":"Firefox on Windows","device_type":"",` +
		`"created_at":"2026-05-04T03:02:01.987Z","last_active_at":"2026-05-04T03:02:01.987Z","expires_at":"2026-05-04T03:02:01.987Z",` +
		`"ttl_seconds":3600,"authenticated_at":"0001-01-01T00:00:00Z"}`
	if string(raw) != want {
		t.Errorf("%s\nwant %s", raw, want)
	}
	full := sessile.SessionOf(fullRecord(t), sessile.Data{})
	if raw, err = json.Marshal(full); err != nil || !strings.Contains(string(raw), `"deadline":`) || !strings.Contains(string(raw), `"rotated_at":`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestSessionWithoutUserIsAGuest(t *testing.T) {
	r := fullRecord(t)
	if sessile.SessionOf(r, sessile.Data{}).IsGuest() {
		t.Error("ann is a guest")
	}
	r.UserID = ""
	if !sessile.SessionOf(r, sessile.Data{}).IsGuest() {
		t.Error("no user, no guest")
	}
}

func TestSessionFillsATemplate(t *testing.T) {
	page := template.Must(template.New("").Parse(
		`{{with .Session}}{{.UserID}} on {{.DeviceName}} until {{.ExpiresAt.Year}}{{if .IsGuest}} guest{{end}}{{end}}|{{with .None}}{{if not .IsZero}}x{{end}}{{.UserID}}{{end}}`))
	var out bytes.Buffer
	err := page.Execute(&out, map[string]sessile.Session{"Session": sessile.SessionOf(fullRecord(t), sessile.Data{}), "None": {}})
	if want := "ann on Firefox on Windows until 2026|"; err != nil || out.String() != want {
		t.Errorf("%s, %v; want %s", out.String(), err, want)
	}
}

func TestSessionIsActiveUntilItExpires(t *testing.T) {
	s := sessile.SessionOf(fullRecord(t), sessile.Data{})
	end := s.ExpiresAt()
	if !s.ActiveAt(end.Add(-time.Microsecond)) || s.ActiveAt(end) || (sessile.Session{}).ActiveAt(end) {
		t.Errorf("expires at %v; active before %t, then %t", end, s.ActiveAt(end.Add(-time.Microsecond)), s.ActiveAt(end))
	}
}

func TestSessionIsNotDecodedFromJSON(t *testing.T) {
	s := someSession(t)
	for _, v := range []any{new(sessile.Session), new(sessile.Data)} {
		for _, from := range []any{s, s.Data()} {
			raw, err := json.Marshal(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, v); err == nil || strings.Contains(err.Error(), marker) {
				t.Errorf("%T from %T: %v", v, from, err)
			}
		}
		if err := json.Unmarshal([]byte("null"), v); err != nil {
			t.Errorf("%T from null: %v", v, err)
		}
	}
}
