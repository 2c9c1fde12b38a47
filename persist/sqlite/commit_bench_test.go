package sqlite_test

import (
	"cmp"
	"context"
	"path/filepath"
	"testing"

	zombie "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile/persist"
)

// BenchmarkCommitOfOneCreate compares a commit of one create with a bare one, which inserts the same rows
// and does nothing else. "limit" is a limit that the user has not reached, "evict" is one that each create
// exceeds.
func BenchmarkCommitOfOneCreate(b *testing.B) {
	const sessions = 20_000
	b.Run("bare", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "s.db")
		d := open(b, path)
		fill(b, d, sessions)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		c, err := zombie.OpenConn(path, zombie.OpenReadWrite)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		for _, p := range []string{"synchronous=FULL", "cache_size=-32768"} {
			if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
				b.Fatal(err)
			}
		}
		n := sessions
		for b.Loop() {
			bareCreate(b, c, sample(n))
			n++
		}
	})
	for name, most := range map[string]int{"unlimited": 0, "limit": 10, "evict": 5} {
		b.Run(name, func(b *testing.B) {
			d := openNew(b)
			fill(b, d, sessions)
			n := sessions
			for b.Loop() {
				r := sample(n)
				if name == "evict" {
					r.UserID = sample(n % sessions).UserID
				}
				op := persist.Op{Kind: persist.OpCreate, Record: r, Limit: persist.Limit{Max: most}}
				res, err := d.Apply(context.Background(), &persist.Batch{Now: benchNow, Ops: []persist.Op{op}})
				if err != nil || res.Ops[0].Status != persist.StatusApplied {
					b.Fatal(res.Ops, err)
				}
				n++
			}
		})
	}
}

func bareCreate(b *testing.B, c *zombie.Conn, r *persist.Record) {
	b.Helper()
	err := sqlitex.Execute(c, "BEGIN IMMEDIATE", nil)
	s := c.Prep(`INSERT INTO session (id, token_hash, rotated_until, rotated_at, auth_at, user_id, ip_address, user_agent,
		device_name, device_type, fingerprint, created_at, ttl, version, data) VALUES (?, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`)
	s.BindBytes(1, r.ID[:])
	s.BindBytes(2, r.Hash[:])
	for i, v := range []string{r.UserID, r.IPAddress, r.UserAgent, r.DeviceName, r.DeviceType, r.Fingerprint} {
		s.BindText(3+i, v)
	}
	s.BindInt64(9, r.CreatedAt)
	s.BindInt64(10, r.TTL)
	s.BindBytes(11, r.Data)
	_, stepped := s.Step()
	err = cmp.Or(err, stepped, s.Reset())
	s = c.Prep(`INSERT INTO activity (key, last_active, expires_at, deadline) VALUES (?, ?, ?, ?)`)
	for i, v := range []int64{c.LastInsertRowID(), r.LastActive, r.ExpiresAt, r.Deadline} {
		s.BindInt64(1+i, v)
	}
	_, stepped = s.Step()
	if err = cmp.Or(err, stepped, s.Reset(), sqlitex.Execute(c, "COMMIT", nil)); err != nil {
		b.Fatal(err)
	}
}
