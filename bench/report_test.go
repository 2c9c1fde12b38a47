package bench

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	full  = flag.Bool("full", false, "measure everything, print tables and write results/ (many minutes)")
	many  = flag.Int("sessions", 100_000, "sessions of the works of all contestants")
	large = flag.Int("large", 1_000_000, "sessions of those in memory, of the write-behind and of the growth")
	huge  = flag.Int("huge", 10_000_000, "sessions on disk for cold reads: 6 GB and some minutes for ten million, 0 = none")
	only  = flag.String("parts", "", "with -full: only these parts, with commas; the results of others on the same day stay")
	into  = flag.String("results", "results", "with -full: where the results go")
)

// ratios prints the medians of one workload relative to Sessile's.
func ratios(results []result) {
	if len(results) == 0 {
		return
	}
	own := results[0].Median
	for _, r := range results[1:] {
		fmt.Printf("ratio %s/sessions=%d/clients=%d %s %.2f\n", r.Work, r.Sessions, r.Clients, r.Contestant, r.Median/own)
	}
}

// worksOf measures all workloads except the cold one.
func worksOf(t *testing.T, sessions int) (all []result) {
	t.Helper()
	for _, touch := range []bool{false, true} {
		t.Run(fmt.Sprint("touch=", touch), func(t *testing.T) { all = append(all, measureAll(t, sessions, touch)...) })
		debug.FreeOSMemory()
	}
	return all
}

// measureAll measures the workloads that renew their sessions, or the others. If there are too many sessions to
// have all contestants in memory at once, it measures only those that keep sessions in memory, one after the
// other: logging that many users in takes the others too long.
func measureAll(t *testing.T, sessions int, touch bool) (all []result) {
	t.Helper()
	if sessions <= *many {
		return measureSites(sites(t, sessions, options{touch: touch}), touch)
	}
	for _, k := range contestants() {
		if k.memory {
			t.Run(k.name, func(t *testing.T) {
				all = append(all, measureSites([]*site{newSite(t, k, sessions, options{touch: touch})}, touch)...)
			})
			debug.FreeOSMemory()
		}
	}
	for _, own := range all {
		if own.Contestant == "sessile" {
			ratios(slices.DeleteFunc(slices.Clone(all), func(r result) bool { return r.Work != own.Work || r.Clients != own.Clients }))
		}
	}
	return all
}

func measureSites(list []*site, touch bool) (all []result) {
	for _, w := range works() {
		if w.touch != touch || w.slow && len(list[0].cookies) == 1 {
			continue
		}
		for _, clients := range []int{1, 2, 64} {
			r := compare(w.of(list), w, clients, 9, 100*time.Millisecond)
			ratios(r)
			all = append(all, r...)
		}
	}
	return all
}

// commit returns the commit that is measured, ignoring changes of the results.
func commit() string {
	out, err := exec.Command("git", "describe", "--always").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(out))
	if exec.Command("git", "diff", "--quiet", "HEAD", "--", ":/", ":(exclude)results").Run() != nil {
		name += "-dirty"
	}
	return name
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
