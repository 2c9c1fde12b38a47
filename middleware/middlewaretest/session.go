package middlewaretest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
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

	APIToken bool // it belongs to a program

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
// The session may have expired. CreatedAt, LastActiveAt, AuthenticatedAt and RotatedAt are at most
// now. The test fails if a store would refuse the spec.
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

// record returns the record of the session. A real store checks and encodes what has no time.
func (spec SessionSpec) record(tb testing.TB) persist.Record {
	tb.Helper()
	model, _, err := NewStore(tb, sessile.Config{}).CreateWith(tb.Context(), sessile.NewSession{
		UserID: spec.UserID, Guest: spec.UserID == "", Meta: spec.Meta, Data: spec.Data,
		TTL: cmp.Or(spec.TTL, 30*24*time.Hour), MaxLifetime: sessile.NoMaxLifetime, APIToken: spec.APIToken,
	})
	if err != nil {
		tb.Fatalf("making a session for the test: %v", err)
	}
	now, ttl := time.Now().UnixMicro(), model.TTL().Microseconds()
	created := min(micros(spec.CreatedAt, now), now)
	active := min(micros(spec.LastActiveAt, created), now)
	r := persist.Record{
		Identity: &persist.Identity{
			ID: persist.ID(spec.ID), UserID: model.UserID(), IPAddress: model.IPAddress(), UserAgent: model.UserAgent(),
			DeviceName: model.DeviceName(), DeviceType: model.DeviceType(), Fingerprint: model.Fingerprint(),
			CreatedAt: created, Deadline: micros(spec.Deadline, persist.NoDeadline), TTL: ttl,
		},
		Version: 1, Data: model.Data().JSON(), LastActive: active, ExpiresAt: micros(spec.ExpiresAt, active+ttl),
		AuthAt: min(micros(spec.AuthenticatedAt, 0), now),
	}
	if model.IsAPIToken() {
		r.Flags = persist.APIToken
	}
	if spec.ID.IsZero() {
		binary.BigEndian.PutUint64(r.ID[:], uint64(created/1000)<<16) // a ULID begins with milliseconds in 48 bits
		_, _ = rand.Read(r.ID[6:])                                    // never fails
	}
	r.Hash = sha256.Sum256(r.ID[:])
	if !spec.RotatedAt.IsZero() {
		r.Rotation = &persist.Rotation{At: min(spec.RotatedAt.UnixMicro(), now)}
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
