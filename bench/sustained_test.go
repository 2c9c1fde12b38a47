package bench

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// sustained is what a contestant does while clients write as fast as they can, for much longer than its memory could
// hide the disk.
type sustained struct {
	Definition  string  `json:"definition"`
	Work        string  `json:"work"`
	Contestant  string  `json:"contestant"`
	Clients     int     `json:"clients"` // 0: a bare loop
	Sessions    int     `json:"sessions"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"per_second"`         // requests answered, or changes that a bare loop took
	Written     float64 `json:"written_per_second"` // changes in commits
	Commits     float64 `json:"commits_per_second"`
	Refused     int     `json:"refused,omitempty"`          // requests that were answered with status 500 or more
	Changed     int     `json:"sessions_changed,omitempty"` // since the first request of the warm-up
	InFile      int     `json:"rows_in_file,omitempty"`     // of those sessions, after the end
	OldestP99MS float64 `json:"oldest_unwritten_p99_ms"`
	OldestMaxMS float64 `json:"oldest_unwritten_max_ms"`
	quantiles
	Logins     float64   `json:"logins_per_second,omitempty"` // of the open loop
	LoginTimes quantiles `json:"login,omitzero"`              // from the intended start
}

const (
	sustainTime = 10 * time.Second // how long a row is measured, after a fifth of it as a warm-up
	sustainOf   = 64               // clients
	loginRate   = 100              // logins a second beside the clients
)

// sustainWorks are the works of writing rows.
func sustainWorks() []work {
	return []work{
		{name: "sustained set", target: "/set?sustained"},
		{name: "sustained renewal", target: "/read", touch: true},
		{name: "sustained mix", target: "/read", mixed: true},
		{name: "sustained set beside logins", target: "/set?sustained", logins: true},
	}
}

// sustainedContestants are compared in every writing row.
func sustainedContestants() []contestant {
	return named("sessile", limited, "scs-memstore", "scs-memstore-json", "scs-sqlite-NORMAL-json", "scs-sqlite-FULL-json")
}

// sustainAll measures the writing rows, one contestant after the other, each with new files.
func sustainAll(t *testing.T, list []contestant, works []work, sessions int, long time.Duration) (rows []sustained) {
	t.Helper()
	for _, w := range works {
		for _, k := range list {
			if k.name == limited && !w.logins && !w.mixed {
				continue
			}
			t.Run(w.name+"/"+k.name, func(t *testing.T) {
				if s := newSite(t, k, sessions, options{touch: w.touch}); s != nil {
					rows = append(rows, s.sustain(w, long).print())
				}
			})
		}
		for _, window := range []int{commitSize, crowded} {
			t.Run(fmt.Sprint(w.name, "/bare loop/", window), func(t *testing.T) {
				rows = append(rows, newBareLoop(t, sessions, window).sustain(w, long).print())
			})
		}
	}
	return rows
}

func (x sustained) print() sustained {
	fmt.Printf("%s/sessions=%d %s: %.0f/s, %.0f/s written in %.0f commits/s; oldest unwritten p99 %.0f ms, max %.0f ms; p50 %.0f us, p99 %.0f us, p99.9 %.0f us",
		x.Work, x.Sessions, x.Contestant, x.PerSecond, x.Written, x.Commits, x.OldestP99MS, x.OldestMaxMS, x.P50US, x.P99US, x.P999US)
	if x.Logins > 0 {
		fmt.Printf("; %.0f logins/s, p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms", x.Logins, x.LoginTimes.P50US/1000, x.LoginTimes.P99US/1000, x.LoginTimes.P999US/1000)
	}
	if x.Changed > 0 && x.InFile > 0 {
		fmt.Printf("; %d of %d changed sessions are in the file", x.InFile, x.Changed)
	}
	fmt.Println()
	return x
}

// sustain has clients work as fast as they can, first to warm up, then for the measured time.
func (s *site) sustain(w work, long time.Duration) sustained {
	s.settle()
	x := sustained{Work: w.name, Contestant: s.name, Clients: sustainOf, Sessions: len(s.cookies)}
	c := newCrew(s, w, sustainOf)
	asked := make([]int, sustainOf)
	for i, k := range c.workers {
		asked[i] = k.asked
	}
	c.timed(long / 5)
	ages := s.sampleAges()
	items, commits := s.committed()
	began := time.Now()
	logins := stream{rate: loginRate, workers: 256, do: s.logsIn("late", false)}
	var group sync.WaitGroup
	if w.logins {
		logins.run(&group, began, long)
	}
	all := c.timed(long)
	itemsNow, commitsNow := s.committed()
	x.Seconds = time.Since(began).Seconds()
	group.Wait()
	x.OldestP99MS, x.OldestMaxMS = ages()
	x.PerSecond, x.quantiles = float64(all.n)/x.Seconds, all.summary()
	x.Written, x.Commits = float64(itemsNow-items)/x.Seconds, float64(commitsNow-commits)/x.Seconds
	for _, k := range c.workers {
		x.Refused += k.refused
	}
	if w.logins {
		times := logins.take()
		x.Logins, x.LoginTimes = float64(times.n)/x.Seconds, times.summary()
		x.Refused += int(logins.refused.Load())
	}
	if w.target == "/set?sustained" {
		s.settle()
		x.Changed, x.InFile = c.changed(asked), s.rowsWith("sustained")
		if x.InFile != 0 && x.InFile != x.Changed {
			s.tb.Errorf("%s: %d sessions were set, %d rows of the file have the value", s.name, x.Changed, x.InFile)
		}
	}
	return x
}

// timed runs the clients for d and returns what their requests took.
func (c *crew) timed(d time.Duration) *tally {
	var group sync.WaitGroup
	all := make([]tally, len(c.workers))
	began := time.Now()
	for i, x := range c.workers {
		group.Go(func() {
			for from := began; from.Sub(began) < d; {
				x.step()
				now := time.Now()
				all[i].add(now.Sub(from))
				from = now
			}
		})
	}
	group.Wait()
	for i := range all[1:] {
		all[0].join(&all[1+i])
	}
	return &all[0]
}

// changed returns how many different sessions the clients have used since asked.
func (c *crew) changed(asked []int) (n int) {
	seen := make([]bool, len(c.workers[0].sessions.headers))
	for i, x := range c.workers {
		for k := asked[i]; k < min(x.asked, asked[i]+len(x.sessions.draws)); k++ {
			j := x.sessions.draws[k%len(x.sessions.draws)]
			if !seen[j] {
				seen[j] = true
				n++
			}
		}
	}
	return n
}

// committed returns how many changes, in how many commits, a contestant has written so far. One that keeps no file has none.
func (s *site) committed() (items, commits int64) {
	switch c := s.c.(type) {
	case *sessileClient:
		x := c.store.Stats()
		return int64(x.BatchItems), int64(x.Batches)
	case *scsClient:
		if c.disk != nil {
			return c.disk.commits.Load(), c.disk.commits.Load()
		}
	}
	return 0, 0
}

// sampleAges samples the age of the oldest unwritten change until the result is called, which returns its 99th percentile and
// its maximum in milliseconds. Contestants without write-behind have none.
func (s *site) sampleAges() func() (p99, most float64) {
	c, ok := s.c.(*sessileClient)
	if !ok {
		return func() (float64, float64) { return 0, 0 }
	}
	over := make(chan struct{})
	var group sync.WaitGroup
	var ages []float64
	group.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				ages = append(ages, c.store.Stats().OldestPending.Seconds()*1000)
			}
		}
	})
	return func() (float64, float64) {
		close(over)
		group.Wait()
		if len(ages) == 0 {
			return 0, 0
		}
		slices.Sort(ages)
		return ages[len(ages)*99/100], ages[len(ages)-1]
	}
}

// rowsWith counts the rows of a contestant's file whose data contain a text. Without a file it returns 0.
func (s *site) rowsWith(text string) (n int) {
	const rows = "SELECT count(*) FROM %s WHERE instr(CAST(data AS BLOB), CAST(? AS BLOB)) > 0"
	var err error
	switch c := s.c.(type) {
	case *sessileClient:
		err = sqlitex.ExecuteTransient(connect(s.tb, c.path, "query_only=ON"), fmt.Sprintf(rows, "session"), &sqlitex.ExecOptions{
			Args:       []any{text},
			ResultFunc: func(r *sqlite.Stmt) error { n = r.ColumnInt(0); return nil },
		})
	case *scsClient:
		if c.disk != nil {
			err = c.disk.db.QueryRowContext(s.tb.Context(), fmt.Sprintf(rows, "sessions"), text).Scan(&n)
		}
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	return n
}

// TestSustainedRowsCountWhatReachedTheFile runs every writing work for a moment. sustain fails if the file lacks a change.
func TestSustainedRowsCountWhatReachedTheFile(t *testing.T) {
	rows := sustainAll(t, named("sessile", "scs-memstore-json", "scs-sqlite-FULL-json"), sustainWorks(), 100, 50*time.Millisecond)
	if want := len(sustainWorks()) * 5; len(rows) != want {
		t.Fatalf("%d rows, not %d", len(rows), want)
	}
	for _, x := range rows {
		none := x.Contestant == "scs-memstore-json"
		if x.PerSecond == 0 || (x.Written == 0) != none && x.Contestant != "sessile" { // ours may not have begun a commit yet
			t.Errorf("%s of %s: %.0f answered, %.0f written", x.Work, x.Contestant, x.PerSecond, x.Written)
		}
		if x.Work == "sustained set" && x.Clients > 0 && !none && x.InFile == 0 {
			t.Errorf("%s of %s: no row of the file was changed", x.Work, x.Contestant)
		}
	}
}
