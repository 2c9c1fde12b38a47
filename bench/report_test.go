package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

var (
	quick = flag.Bool("quick", false, "print one line per ratio, in a minute")
	full  = flag.Bool("full", false, "measure everything, print tables and write results/ (many minutes)")
	many  = flag.Int("sessions", 100_000, "sessions of the works of all contestants")
	large = flag.Int("large", 1_000_000, "sessions of those in memory, of the write-behind and of the growth")
)

// report is what a full run writes.
type report struct {
	Date    string      `json:"date"`
	Commit  string      `json:"commit"`
	Go      string      `json:"go"`
	CPU     string      `json:"cpu"`
	Cores   int         `json:"cores"`
	Results []result    `json:"results"`
	Durable []durable   `json:"durable"`
	Growth  []growth    `json:"growth"`
	Lookups []lookup    `json:"lookups"`
	Calm    []calm      `json:"reads_while_writing"`
	HTTP    []served    `json:"http"`
	Sweep   []setting   `json:"sweep"`
	Behind  []writeRate `json:"write_behind"`
}

// TestQuick prints, for each rival, how many times what a request costs in Sessile.
func TestQuick(t *testing.T) {
	if !*quick {
		t.Skip("make bench-quick")
	}
	for _, sessions := range []int{1, 2_000} {
		plain, touched := sites(t, sessions, options{}), sites(t, sessions, options{touch: true})
		for _, w := range works() {
			list := plain
			if w.touch {
				list = touched
			}
			if !w.slow || sessions > 1 {
				ratios(compare(list, w, 1, 7, 25*time.Millisecond))
			}
		}
	}
}

// ratios prints the medians of one work relative to Sessile's.
func ratios(results []result) {
	own := results[0].Median
	for _, r := range results[1:] {
		fmt.Printf("ratio %s/sessions=%d/clients=%d %s %.2f\n", r.Work, r.Sessions, r.Clients, r.Contestant, r.Median/own)
	}
}

// TestFull measures everything.
func TestFull(t *testing.T) {
	if !*full {
		t.Skip("make bench")
	}
	now := time.Now().UTC()
	rep := report{Date: now.Format(time.DateOnly), Commit: commit(), Go: runtime.Version(), CPU: cpu(), Cores: runtime.NumCPU()}
	for _, sessions := range []int{1, *many, *large} {
		for _, touch := range []bool{false, true} {
			t.Run(fmt.Sprint(sessions, touch), func(t *testing.T) {
				rep.Results = append(rep.Results, measureAll(t, sessions, touch)...)
			})
			debug.FreeOSMemory()
		}
	}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"lookups", func(t *testing.T) { rep.Lookups = append(lookups(t, 1), lookups(t, *many)...) }},
		{"calm", func(t *testing.T) { rep.Calm = readsWhileWriting(t, *many) }},
		{"http", func(t *testing.T) { rep.HTTP = overHTTP(t, *many/10) }},
		{"durable", func(t *testing.T) { rep.Durable = durables(t) }},
		{"sweep", func(t *testing.T) { rep.Sweep = sweep(t, *many) }},
		{"write behind", func(t *testing.T) { rep.Behind = writeBehind(t) }},
		{"growth", func(t *testing.T) { rep.Growth = grow(t) }},
	} {
		t.Run(part.name, part.run)
		debug.FreeOSMemory()
	}
	if err := rep.write(filepath.Join("results", rep.Date)); err != nil {
		t.Fatal(err)
	}
}

// measureAll measures the works that renew their sessions, or the others.
func measureAll(t *testing.T, sessions int, touch bool) (all []result) {
	t.Helper()
	list := sites(t, sessions, options{touch: touch, memory: sessions > *many})
	for _, w := range works() {
		if w.touch != touch || w.slow && sessions == 1 {
			continue
		}
		for _, clients := range []int{1, 2, 64} {
			r := compare(list, w, clients, 9, 100*time.Millisecond)
			ratios(r)
			all = append(all, r...)
		}
	}
	return all
}

func (r *report) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".json", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return r.plot(path)
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func cpu() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(name, "model name") {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
