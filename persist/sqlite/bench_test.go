package sqlite_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"testing"

	zombie "zombiezen.com/go/sqlite"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/sqlite"
)

const benchNow = int64(1_800_000_000_000_000)

// sample returns the n-th session of many: five per user, with 200 bytes of data.
func sample(n int) *persist.Record {
	var id persist.ID
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	user := binary.BigEndian.AppendUint32([]byte("user-"), uint32(n/5))
	return &persist.Record{
		Identity: &persist.Identity{
			ID: id, UserID: string(user), IPAddress: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			DeviceName: "Firefox on Linux", DeviceType: "desktop", Fingerprint: "1:0123456789abcdef0123456789abcdef",
			CreatedAt: benchNow, Deadline: benchNow + 1<<50, TTL: 1 << 40,
		},
		Hash: sha256.Sum256(id[:]), Version: 1, Data: make([]byte, 200), LastActive: benchNow, ExpiresAt: benchNow + 1<<40,
	}
}

// fill stores n sessions and returns their keys.
func fill(tb testing.TB, d *sqlite.DB, n int) []int64 {
	tb.Helper()
	keys := make([]int64, 0, n)
	for len(keys) < n {
		b := persist.Batch{Now: benchNow}
		for i := len(keys); i < min(len(keys)+10_000, n); i++ {
			b.Ops = append(b.Ops, persist.Op{Kind: persist.OpCreate, Record: sample(i)})
		}
		res, err := d.Apply(context.Background(), &b)
		if err != nil {
			tb.Fatalf("Apply: %v", err)
		}
		for _, o := range res.Ops {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

func BenchmarkTouch4096(b *testing.B) {
	d := openNew(b)
	keys := fill(b, d, 100_000)
	r := rand.New(rand.NewPCG(1, 2))
	at, n := benchNow, 0
	for b.Loop() {
		at++
		batch := persist.Batch{Now: at}
		for range 4096 {
			i := r.IntN(len(keys))
			batch.Touches = append(batch.Touches, persist.Touch{
				Ref: persist.Ref{ID: sample(i).ID, Key: keys[i]}, LastActive: at, ExpiresAt: at + 1<<40,
			})
		}
		if _, err := d.Apply(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
		n += 4096
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "touches/s")
}

func BenchmarkCreateCommit(b *testing.B) {
	d := openNew(b)
	fill(b, d, 100_000)
	n := 100_000
	for b.Loop() {
		op := persist.Op{Kind: persist.OpCreate, Record: sample(n), Limit: persist.Limit{Max: 10}}
		if _, err := d.Apply(context.Background(), &persist.Batch{Now: benchNow, Ops: []persist.Op{op}}); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// Compare with BenchmarkRawSelect: the difference is the cost of building the record.
func BenchmarkColdByHash(b *testing.B) {
	for name, ctx := range map[string]func() (context.Context, context.CancelFunc){
		"background":  func() (context.Context, context.CancelFunc) { return context.Background(), func() {} },
		"cancellable": func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) },
	} {
		b.Run(name, func(b *testing.B) {
			d := openNew(b)
			fill(b, d, 100_000)
			ctx, cancel := ctx()
			defer cancel()
			r := rand.New(rand.NewPCG(1, 2))
			hashes := make([]persist.Hash, 1000)
			for i := range hashes {
				hashes[i] = sample(r.IntN(100_000)).Hash
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				if _, err := d.ByHash(ctx, persist.TokenKey{Hash: hashes[i%1000]}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRawSelect(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s.db")
	d := open(b, path)
	fill(b, d, 100_000)
	c, err := zombie.OpenConn(path, zombie.OpenReadOnly)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	st := c.Prep(`SELECT s.key, s.id, s.token_hash, s.previous_hash, s.rotated_until, s.rotated_at, s.auth_at,
	s.user_id, s.ip_address, s.user_agent, s.device_name, s.device_type, s.fingerprint,
	s.created_at, s.ttl, s.version, s.data,
	(SELECT last_active FROM activity a WHERE a.key = s.key),
	(SELECT expires_at FROM activity a WHERE a.key = s.key),
	(SELECT deadline FROM activity a WHERE a.key = s.key)
	FROM session s WHERE s.token_hash = ?`)
	r := rand.New(rand.NewPCG(1, 2))
	hashes := make([]persist.Hash, 1000)
	for i := range hashes {
		hashes[i] = sample(r.IntN(100_000)).Hash
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		st.BindBytes(1, hashes[i%1000][:])
		if ok, err := st.Step(); !ok || err != nil {
			b.Fatal(ok, err)
		}
		for _, col := range []int{0, 4, 5, 6, 13, 14, 15, 17, 18, 19} {
			_ = st.ColumnInt64(col)
		}
		for col := 7; col < 13; col++ {
			_ = st.ColumnText(col)
		}
		data := make([]byte, st.ColumnLen(16))
		st.ColumnBytes(16, data)
		if err := st.Reset(); err != nil {
			b.Fatal(err)
		}
	}
}

// Each create evicts a guest. In the busy case, ten other guests are active before the next create.
func BenchmarkGuestCreateCommit(b *testing.B) {
	for name, touches := range map[string]int{"idle": 0, "busy": 10} {
		b.Run(name, func(b *testing.B) {
			d := openNew(b)
			const most = 100_000
			guest := func(n int) *persist.Record {
				r := sample(n)
				r.UserID = ""
				return r
			}
			var keys []int64
			for len(keys) < most {
				batch := persist.Batch{Now: benchNow}
				for range 10_000 {
					batch.Ops = append(batch.Ops, persist.Op{Kind: persist.OpCreate, Record: guest(len(keys) + len(batch.Ops))})
				}
				res, err := d.Apply(context.Background(), &batch)
				if err != nil {
					b.Fatal(err)
				}
				for _, o := range res.Ops {
					keys = append(keys, o.Key)
				}
			}
			r := rand.New(rand.NewPCG(1, 2))
			for n, at := most, benchNow; b.Loop(); n++ {
				at++
				batch := persist.Batch{Now: at}
				for range touches {
					key := keys[len(keys)-1-r.IntN(most)]
					batch.Touches = append(batch.Touches, persist.Touch{Ref: persist.Ref{Key: key, ID: sample(0).ID}, LastActive: at, ExpiresAt: at + 1<<40})
				}
				rec := guest(n)
				rec.LastActive = at
				batch.Ops = append(batch.Ops, persist.Op{Kind: persist.OpCreate, Record: rec, Limit: persist.Limit{Max: most}})
				res, err := d.Apply(context.Background(), &batch)
				if err != nil {
					b.Fatal(err)
				}
				if o := res.Ops[0]; o.Status != persist.StatusApplied || len(o.Removed) != 1 {
					b.Fatalf("status %d, %d removed: %v", o.Status, len(o.Removed), o.Err)
				}
				keys = append(keys, res.Ops[0].Key)
			}
		})
	}
}
