package middlewaretest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

// SessionSpec describes the session that [Session] makes. The zero value is a guest session that
// begins now.
type SessionSpec struct {
	ID     sessile.ID // zero = a new one
	UserID string     // "" = a guest
	Meta   sessile.Meta
	Data   any // encodes to a JSON object; nil = {}

	CreatedAt       time.Time     // zero = now
	LastActiveAt    time.Time     // zero = CreatedAt
	TTL             time.Duration // zero = 30 days
	ExpiresAt       time.Time     // zero = LastActiveAt + TTL
	Deadline        time.Time     // zero = none
	AuthenticatedAt time.Time     // zero = CreatedAt
	RotatedAt       time.Time     // zero = never
}

// Session returns a session for tests of code that takes one, such as a page or a policy. A real
// store reads it from a file in the test's temporary directory, so it is what a request would get.
// The session may have expired. A time in the future counts as now.
func Session(tb testing.TB, spec SessionSpec) sessile.Session {
	tb.Helper()
	record := spec.record(tb)
	backend, err := sqlite.Open(tb.Context(), sqlite.Config{Path: filepath.Join(tb.TempDir(), "session.db")})
	if err != nil {
		tb.Fatalf("making a session for the test: %v", err)
	}
	create := persist.Op{Kind: persist.OpCreate, Record: &record}
	if _, err := backend.Apply(tb.Context(), &persist.Batch{Ops: []persist.Op{create}}); err != nil {
		tb.Fatalf("making a session for the test: %v", err)
	}
	store, err := sessile.New(backend, sessile.Config{})
	if err != nil {
		tb.Fatalf("making a session for the test: %v", err)
	}
	defer store.Close()
	s, err := store.Read(tb.Context(), sessile.ID(record.ID))
	if err != nil {
		tb.Fatalf("making a session for the test: %v", err)
	}
	return s
}

func (spec SessionSpec) record(tb testing.TB) persist.Record {
	tb.Helper()
	data := []byte("{}")
	if spec.Data != nil {
		var err error
		if data, err = json.Marshal(spec.Data); err != nil {
			tb.Fatalf("encoding the data of the test's session: %v", err)
		}
	}
	created := micros(spec.CreatedAt, time.Now().UnixMicro())
	active := micros(spec.LastActiveAt, created)
	ttl := cmp.Or(spec.TTL, 30*24*time.Hour).Microseconds()
	r := persist.Record{
		Identity: &persist.Identity{
			ID: persist.ID(spec.ID), UserID: spec.UserID, IPAddress: spec.Meta.IPAddress, UserAgent: spec.Meta.UserAgent,
			DeviceName: spec.Meta.DeviceName, DeviceType: spec.Meta.DeviceType, Fingerprint: spec.Meta.Fingerprint,
			CreatedAt: created, Deadline: micros(spec.Deadline, persist.NoDeadline), TTL: ttl,
		},
		Version: 1, Data: data, LastActive: active, ExpiresAt: micros(spec.ExpiresAt, active+ttl), AuthAt: micros(spec.AuthenticatedAt, 0),
	}
	if spec.ID.IsZero() {
		binary.BigEndian.PutUint64(r.ID[:], uint64(created/1000)<<16) // a ULID begins with milliseconds in 48 bits
		_, _ = rand.Read(r.ID[6:])                                    // never fails
	}
	r.Hash = sha256.Sum256(r.ID[:])
	if !spec.RotatedAt.IsZero() {
		r.Rotation = &persist.Rotation{At: spec.RotatedAt.UnixMicro()}
	}
	return r
}

// micros converts a time of a spec, or returns otherwise for the zero time.
func micros(t time.Time, otherwise int64) int64 {
	if t.IsZero() {
		return otherwise
	}
	return t.UnixMicro()
}
