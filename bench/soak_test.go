package bench

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"gonum.org/v1/plot/plotter"
)

var (
	soakTime = flag.Duration("soak", 0, "run a store for so long at 80 % of its sustained rate; writes results/")
	soakRate = flag.Float64("soak.rate", 0, "with -soak: the sustained rate, 0 = measure it first")
	overTime = flag.Duration("overload", 0, "offer a store ten times its sustained rate for so long; writes results/")
)

// soak is a minute of a store under steady load.
type soak struct {
	Definition string  `json:"definition"`
	Minute     float64 `json:"minute"` // its end
	PerSecond  float64 `json:"per_second"`
	ReadP99US  float64 `json:"read_p99_us"`
	SetP99US   float64 `json:"set_p99_us"`
	LoginP99US float64 `json:"login_p99_us"` // a login and its logout
	Refused    int64   `json:"refused"`
	Cold       float64 `json:"cold_share"` // of the reads
	OldestMS   float64 `json:"oldest_unwritten_ms"`
	HeapMB     float64 `json:"heap_mb"`
	ResidentMB float64 `json:"resident_mb"`
	WALMB      float64 `json:"wal_mb"`
	FileMB     float64 `json:"file_mb"`
}

// TestSoak writes a row for each minute of a soak, as JSON, CSV and pictures.
func TestSoak(t *testing.T) {
	if *soakTime == 0 {
		t.Skip("make soak")
	}
	path := filepath.Join(*into, time.Now().UTC().Format(time.DateOnly))
	measured := part{"soak", func(t *testing.T, r *report) { r.Soaks = soaked(t, *large, *many, *soakTime, *soakRate) }}
	if err := measurePart(t, measured, path, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	r, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeCSV(path+"-soak.csv", r.Soaks), plotSoak(path, r.Soaks)); err != nil {
		t.Fatal(err)
	}
}

// soaked runs a store with n sessions, of which hot get 99 % of the requests and fit into memory.
func soaked(t *testing.T, n, hot int, long time.Duration, rate float64) (rows []soak) {
	t.Helper()
	s := newSite(t, contestantNamed("sessile"), n, options{hot: hot})
	s.settle()
	d := hotDraws(s, hot)
	s.cookies = nil // d has them
	if rate == 0 {
		rate = sustainedMix(s, d)
	}
	fmt.Printf("soak: %d sessions, %d hot; the sustained rate is %.0f/s\n", n, hot, rate)
	const workers = 64
	streams := []*stream{
		{rate: 0.8 * 0.95 * rate, workers: workers, do: s.asks("/read", d, workers)},
		{rate: 0.8 * 0.04 * rate, workers: workers, do: s.asks("/set?soaked", d, workers)},
		{rate: 0.8 * 0.01 * rate, workers: workers, do: s.logsIn("soak", true)},
	}
	var group sync.WaitGroup
	began := time.Now()
	for _, x := range streams {
		x.run(&group, began, long)
	}
	tick := min(time.Minute, long/10)
	for end := tick; end <= long; end += tick {
		before := s.coldReads()
		<-time.After(time.Until(began.Add(end)))
		rows = append(rows, s.soakRow(streams, end, tick, before))
	}
	group.Wait()
	return rows
}

// hotDraws draws 99 % of the requests from hot random sessions, the others from all.
func hotDraws(s *site, hot int) *drawn {
	d := newDrawn(s, false)
	rng, some := rand.New(rand.NewPCG(13, 14)), d.permuted()
	for i := range d.draws {
		if rng.IntN(100) > 0 {
			d.draws[i] = uint32(some[rng.IntN(hot)])
		}
	}
	return d
}

// sustainedMix returns how many requests of the mix a second 64 clients get answered, after a warm-up.
func sustainedMix(s *site, d *drawn) (rate float64) {
	c := newCrewOf(s, work{target: "/read", mixed: true}, sustainOf, d)
	for range 2 { // warms up
		rate = closedRate(sustainOf, sustainTime, func(w, _ int) int { c.workers[w].step(); return 0 })
	}
	return rate
}

// coldReads returns how many sessions were read so far, and how many of them from the disk.
func (s *site) coldReads() [2]uint64 {
	if c, ok := s.c.(*sessileClient); ok {
		all, cold := c.reads()
		return [2]uint64{all, cold}
	}
	return [2]uint64{}
}

func (s *site) soakRow(streams []*stream, end, tick time.Duration, before [2]uint64) soak {
	reads, sets, logins := streams[0].take(), streams[1].take(), streams[2].take()
	now := s.coldReads()
	x := soak{
		Minute: end.Minutes(), PerSecond: float64(reads.n+sets.n+logins.n) / tick.Seconds(),
		ReadP99US: reads.quantile(0.99), SetP99US: sets.quantile(0.99), LoginP99US: logins.quantile(0.99),
		Cold: float64(now[1]-before[1]) / float64(max(now[0]-before[0], 1)),
	}
	for _, r := range streams {
		x.Refused += r.refused.Load()
	}
	x.HeapMB, x.ResidentMB = memory()
	if c, ok := s.c.(*sessileClient); ok {
		x.OldestMS = c.store.Stats().OldestPending.Seconds() * 1000
		x.FileMB, x.WALMB = megabytes(c.path), megabytes(c.path+"-wal")
	}
	fmt.Printf("soak/minute=%.1f: %.0f/s, p99 of reads %.0f us, sets %.0f us, logins %.0f us; %d refused, %.1f %% cold; oldest unwritten %.0f ms; heap %.0f MB, resident %.0f MB, WAL %.0f MB, file %.0f MB\n",
		x.Minute, x.PerSecond, x.ReadP99US, x.SetP99US, x.LoginP99US, x.Refused, 100*x.Cold, x.OldestMS, x.HeapMB, x.ResidentMB, x.WALMB, x.FileMB)
	return x
}

func megabytes(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size()) / 1e6
}

// writeCSV writes a column for each number of a row, named as in the JSON.
func writeCSV(path string, rows []soak) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	var names []string
	for x := range reflect.TypeFor[soak]().Fields() {
		names = append(names, x.Tag.Get("json"))
	}
	_ = w.Write(names[1:]) // without the definition; Error returns what fails
	for _, r := range rows {
		var cells []string
		for _, v := range reflect.ValueOf(r).Fields() {
			cells = append(cells, fmt.Sprint(v))
		}
		_ = w.Write(cells[1:])
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}

// plotSoak draws times and space by the minute.
func plotSoak(path string, rows []soak) error {
	if len(rows) < 2 {
		return nil
	}
	line := func(of func(soak) float64) plotter.XYs {
		var xy plotter.XYs
		for _, r := range rows {
			xy = append(xy, plotter.XY{X: r.Minute, Y: max(of(r), 0.001)}) // the scale is logarithmic
		}
		return xy
	}
	err := drawBy("minute", path+"-soak-time.svg", "Soak: 99th percentiles", "microseconds",
		"read", line(func(r soak) float64 { return r.ReadP99US }),
		"set", line(func(r soak) float64 { return r.SetP99US }),
		"login and logout", line(func(r soak) float64 { return r.LoginP99US }))
	return errors.Join(err, drawBy("minute", path+"-soak-space.svg", "Soak: memory and files", "megabytes",
		"heap", line(func(r soak) float64 { return r.HeapMB }),
		"resident", line(func(r soak) float64 { return r.ResidentMB }),
		"WAL", line(func(r soak) float64 { return r.WALMB }),
		"file", line(func(r soak) float64 { return r.FileMB })))
}

// TestSoakWritesRowsAndPictures runs a short one.
func TestSoakWritesRowsAndPictures(t *testing.T) {
	rows := soaked(t, 200, 20, 200*time.Millisecond, 1000)
	if len(rows) != 10 || rows[9].FileMB == 0 || rows[9].HeapMB == 0 {
		t.Errorf("got %+v", rows)
	}
	path := filepath.Join(t.TempDir(), "day")
	if err := errors.Join(writeCSV(path+"-soak.csv", rows), plotSoak(path, rows)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"-soak.csv", "-soak-time.svg", "-soak-space.svg"} {
		if megabytes(path+name) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}
