package bench

import (
	"bytes"
	crand "crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
)

// hugeFile is a file with far more sessions than memory holds. Most rows are written by bare statements,
// because ten million logins would take too long. A store created the rows whose tokens are needed. Each of
// those is surrounded by hundreds of others.
type hugeFile struct {
	path   string
	n, hot int
	warm   []sessile.Token // fill the hot set
	ours   []sessile.Token // read once each by the store
	raw    []sessile.Token // read once each by the bare statement
}

// growHuge measures cold reads among far more sessions.
func growHuge(t *testing.T) []growth {
	t.Helper()
	if *huge == 0 {
		t.Skip("-huge=0")
	}
	g := hugeAt(t, *huge)
	g.print()
	return []growth{g}
}

// hugeAt measures cold reads with a hot set of one session in a hundred.
func hugeAt(t *testing.T, n int) growth {
	t.Helper()
	dir := t.TempDir()
	needRoom(t, dir, int64(n)*1000)
	began := time.Now()
	h := makeHuge(t, dir, n)
	fmt.Printf("huge: %d sessions were written in %.0f s\n", n, time.Since(began).Seconds())
	g := growth{Sessions: n, FileBytes: float64(size(h.path)) / float64(n)}
	firstAnswer(t, h.path, h.warm[0]) // switches to WAL, and syncs the rest
	g.OpenMS = firstAnswer(t, h.path, h.warm[0])
	h.coldReads(t, &g)
	h.kill(t, &g)
	return g
}

// needRoom skips a test if the disk is too small.
func needRoom(t *testing.T, dir string, bytes int64) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "df", "-Pk", dir).Output()
	if err != nil {
		return // the test will fail by itself
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var device string
	var blocks, used, free int64
	if _, err := fmt.Sscan(lines[len(lines)-1], &device, &blocks, &used, &free); err == nil && free*1024 < bytes {
		t.Skipf("%d MB of disk are free, %d are needed", free>>10, bytes>>20)
	}
}

// makeHuge makes a store create the sample, and spreads its rows over a copy of the file, which has the same
// store key.
func makeHuge(t *testing.T, dir string, n int) *hugeFile {
	t.Helper()
	h := &hugeFile{path: filepath.Join(dir, "huge.db"), n: n, hot: max(n/100, 1)}
	each := min(25_000, n/8)
	sample := filepath.Join(dir, "sample.db")
	s := openStore(t, sample, 0, nil)
	_, tokens := fill(t, s, h.hot+2*each, short)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copyFile(t, h.path, sample)
	h.spread(t, sample, len(tokens))
	rand.New(rand.NewPCG(7, 8)).Shuffle(len(tokens), func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
	h.warm, h.ours, h.raw = tokens[:h.hot], tokens[h.hot:h.hot+each], tokens[h.hot+each:]
	return h
}

// spread writes the rows. samples of them come from the sample.
func (h *hugeFile) spread(t *testing.T, sample string, samples int) {
	t.Helper()
	c := fillConn(t, h.path)
	stride := h.n / samples
	script := `DELETE FROM activity; DELETE FROM session; DELETE FROM sqlite_sequence;`
	err := errors.Join(sqlitex.ExecuteTransient(c, "ATTACH ? AS sample", &sqlitex.ExecOptions{Args: []any{sample}}), sqlitex.ExecuteScript(c, script, nil))
	if err != nil {
		t.Fatal(err)
	}
	const chunk = 1_000_000
	for from := 0; from < h.n; from += chunk {
		hashes := sortedHashes(min(chunk, h.n-from))
		err := commitRaw(c, func() error {
			for i := range hashes {
				if n := from + i; n%stride == 0 && n/stride < samples {
					if err := copyRow(c, n/stride+1); err != nil {
						return err
					}
					continue
				}
				r := freshRow(from+i, short())
				r.hash = hashes[i]
				if err := r.insert(c); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// sortedHashes returns random hashes in sorted order, so that the index is filled sequentially.
func sortedHashes(n int) [][32]byte {
	list := make([][32]byte, n)
	for i := range list {
		_, _ = crand.Read(list[i][:])
	}
	slices.SortFunc(list, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	return list
}

// copyRow inserts a session of the sample with a new key.
func copyRow(c *sqlite.Conn, key int) error {
	const columns = `id, token_hash, previous_hash, rotated_until, rotated_at, auth_at, user_id, ip_address, user_agent,
		device_name, device_type, fingerprint, created_at, ttl, version, data`
	args := &sqlitex.ExecOptions{Args: []any{key}}
	err := sqlitex.Execute(c, `INSERT INTO main.session (`+columns+`) SELECT `+columns+` FROM sample.session WHERE key = ?`, args)
	if err != nil {
		return err
	}
	if c.Changes() != 1 {
		return fmt.Errorf("session %d of the sample is not there", key)
	}
	args = &sqlitex.ExecOptions{Args: []any{c.LastInsertRowID(), key}}
	return sqlitex.Execute(c, `INSERT INTO main.activity (key, last_active, expires_at, deadline)
		SELECT ?, last_active, expires_at, deadline FROM sample.activity WHERE key = ?`, args)
}

// coldReads fills the hot set, then reads other sessions, alternately by the store and by the bare statement.
// No session is read twice, so that neither finds pages that the other has loaded for the same row.
func (h *hugeFile) coldReads(t *testing.T, g *growth) {
	t.Helper()
	ctx, before := t.Context(), heap() // reads under a context that can end
	s := openStore(t, h.path, 0, func(c *sessile.Config) { c.CacheSize = h.hot })
	c := rawConn(t, h.path)
	for _, token := range h.warm {
		if _, err := s.ReadByToken(ctx, token); err != nil {
			t.Fatal(err)
		}
	}
	g.MemoryBytes = (heap() - before) / float64(h.hot) // per hot session
	g.HotReadNS = readRandom(t, s, h.warm, 200_000)
	each := len(h.ours) / 5
	for round := range 5 {
		i := round * each
		ours := each1(t, each, func() error {
			i++
			_, err := s.ReadByToken(ctx, h.ours[i-1])
			return err
		})
		i = round * each
		raw := each1(t, each, func() error {
			i++
			return rawRead(c, hashOf(h.raw[i-1]))
		})
		if round == 0 || ours < g.ColdReadUS*1000 {
			g.ColdReadUS = ours / 1000
		}
		if round == 0 || raw < g.RawSelectUS*1000 {
			g.RawSelectUS = raw / 1000
		}
	}
	if x := s.Stats(); x.ColdReads < uint64(5*each+h.hot) {
		t.Errorf("%d reads went to the disk, not %d", x.ColdReads, 5*each+h.hot)
	}
	if err := errors.Join(c.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// hashOf returns what a store keeps of a token.
func hashOf(token sessile.Token) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(token.Reveal())
	if err != nil {
		panic(err)
	}
	h := sha256.Sum256(raw)
	return h[:]
}

// kill makes a store create sessions, keeps the WAL that a killed process would leave, and opens the file with
// it. The rest of the file is in the state of a kill in the middle of the next checkpoint. Nothing else is
// copied, because the file is large.
func (h *hugeFile) kill(t *testing.T, g *growth) {
	t.Helper()
	const more = 20_000
	s := openStore(t, h.path, 0, nil)
	began := time.Now()
	fill(t, s, more, short)
	g.CreatePerSec = more / time.Since(began).Seconds()
	wal := h.path + "-wal"
	copyFile(t, h.path+".killed", wal)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copyFile(t, wal, h.path+".killed")
	fmt.Printf("huge: recovers %d MB of WAL\n", size(h.path)>>20-int64(g.FileBytes*float64(h.n))>>20)
	g.RecoverMS = firstAnswer(t, h.path, h.warm[0])
}
