package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/sessile/sessile"
)

// bareLoop writes changes of random sessions to a file with our schema, in commits of 4,096. There are no clients and no
// memory: it has both cores for itself and is what the disk and the statements allow.
type bareLoop struct {
	tb     testing.TB
	c      *sqlite.Conn
	rng    *rand.Rand
	n      int
	window int // changes that it sorts by key before it commits them
	now    int64
	ended  int // key of the last session that a mix has deleted
}

func newBareLoop(t *testing.T, sessions, window int) *bareLoop {
	t.Helper()
	path := ourSchema(t)
	filled(t, path, sessions, func(c *sqlite.Conn, i int) error { return freshRow(i, short()).insert(c) })
	return &bareLoop{
		tb: t, c: rawConn(t, path), rng: rand.New(rand.NewPCG(5, 6)), n: sessions, window: window,
		now: since + int64(sessions)*1000, ended: sessions,
	}
}

func (b *bareLoop) name() string {
	if b.window > commitSize {
		return bareWindow
	}
	return bareArrival
}

const (
	bareArrival = "bare loop, order of arrival"
	bareWindow  = "bare loop, neighbours of a window"
)

// commitSize is the number of changes in one commit of a bare loop, the default of our BatchSize.
const commitSize = 4096

// sustain writes for as long as a site would, after the same warm-up.
func (b *bareLoop) sustain(w work, long time.Duration) sustained {
	b.run(w, long/5, nil)
	x := sustained{Work: w.name, Contestant: b.name(), Sessions: b.n}
	var logins *tally
	if w.logins {
		logins = new(tally)
	}
	began := time.Now()
	taken, written, commits := b.run(w, long, logins)
	x.Seconds = time.Since(began).Seconds()
	x.PerSecond, x.Written, x.Commits = float64(taken)/x.Seconds, float64(written)/x.Seconds, float64(commits)/x.Seconds
	if logins != nil {
		x.Logins, x.LoginTimes = float64(logins.n)/x.Seconds, logins.summary()
	}
	return x
}

// run takes random changes and writes them. Of two changes of a session in one window, only the last is written. Logins
// that are due join the next commit, and their times are added to logins.
func (b *bareLoop) run(w work, d time.Duration, logins *tally) (taken, written, commits int) {
	began, due := time.Now(), 0
	for time.Since(began) < d {
		keys := make([]int, b.window)
		for i := range keys {
			keys[i] = b.rng.IntN(b.n) + 1
		}
		taken += len(keys)
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for batch := range slices.Chunk(keys, commitSize) {
			ready := 0
			if logins != nil {
				ready = int(time.Since(began).Seconds()*loginRate) - due
			}
			if err := commitRaw(b.c, func() error { return b.write(w, batch, ready) }); err != nil {
				b.tb.Fatal(err)
			}
			for range ready {
				logins.add(time.Since(began) - time.Duration(due)*time.Second/loginRate)
				due++
			}
			written, commits = written+len(batch)+ready, commits+1
		}
	}
	return taken, written, commits
}

// write executes the statements of one commit.
func (b *bareLoop) write(w work, batch []int, logins int) error {
	for i, key := range batch {
		b.now++
		var err error
		switch {
		case w.touch:
			err = b.exec(`UPDATE activity SET last_active = ?, expires_at = min(?, deadline) WHERE key = ?`, b.now, b.now+month, key)
		case w.mixed && i%6 == 4: // four sets, a login and its logout
			err = freshRow(i, sessile.Meta{}).insert(b.c)
		case w.mixed && i%6 == 5:
			b.ended++
			err = errors.Join(b.exec(`DELETE FROM session WHERE key = ?`, b.ended), b.exec(`DELETE FROM activity WHERE key = ?`, b.ended))
		default:
			err = b.exec(`UPDATE session SET data = ?, version = version + 1 WHERE key = ?`,
				fmt.Appendf(nil, `{"key":"%d","profile":"%s"}`, b.now, profile), key)
		}
		if err != nil {
			return err
		}
	}
	for i := range logins {
		if err := freshRow(i, sessile.Meta{}).insert(b.c); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement that must change one row.
func (b *bareLoop) exec(statement string, args ...any) error {
	s, err := b.c.Prepare(statement)
	if err != nil {
		return err
	}
	for i, v := range args {
		switch v := v.(type) {
		case []byte:
			s.BindBytes(i+1, v)
		case int64:
			s.BindInt64(i+1, v)
		case int:
			s.BindInt64(i+1, int64(v))
		}
	}
	if err := run(s); err != nil {
		return err
	}
	if b.c.Changes() != 1 {
		return fmt.Errorf("%s: changed %d rows, not 1", statement, b.c.Changes())
	}
	return nil
}
