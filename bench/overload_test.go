package bench

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// overload is what a store does at ten times the rate that it sustains.
type overload struct {
	Definition  string    `json:"definition"`
	Work        string    `json:"work"`
	Sessions    int       `json:"sessions"`
	Seconds     float64   `json:"seconds"`
	Sustained   float64   `json:"sustained_per_second"` // of 64 clients, each one request after the other
	Offered     float64   `json:"offered_per_second"`
	Started     float64   `json:"started_per_second"` // the rest waited for a second, and was given up by its client
	Answered    float64   `json:"answered_per_second"`
	Refused     float64   `json:"refused_share"` // of those that were started
	OldestP99MS float64   `json:"oldest_unwritten_p99_ms"`
	OldestMaxMS float64   `json:"oldest_unwritten_max_ms"`
	quantiles             // of the answered requests, from their arrival
	Login       quantiles `json:"login"` // of 100 logins a second beside it, or of the logins that are the work
	HeapMB      float64   `json:"heap_max_mb"`
	ResidentMB  float64   `json:"resident_max_mb"`
}

// TestOverload offers a store ten times what it sustains.
func TestOverload(t *testing.T) {
	if *overTime == 0 {
		t.Skip("make overload")
	}
	now := time.Now().UTC()
	p := part{"overload", func(t *testing.T, r *report) { r.Over = overloads(t, *many, *overTime) }}
	if err := measurePart(t, p, filepath.Join(*into, now.Format(time.DateOnly)), now); err != nil {
		t.Fatal(err)
	}
}

// overloadWorkers is how many requests may be in flight.
const overloadWorkers = 4096

// overloads measures sets, and logins, each with a new store.
func overloads(t *testing.T, sessions int, long time.Duration) (list []overload) {
	t.Helper()
	for _, name := range []string{"overload by sets", "overload by logins"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, contestantNamed("sessile"), sessions, options{})
			s.settle()
			list = append(list, s.overload(name, long))
		})
	}
	return list
}

// overload measures the sustained rate, and offers ten times as much.
func (s *site) overload(name string, long time.Duration) overload {
	x := overload{Work: name, Sessions: len(s.cookies)}
	flood := s.asks("/set?flood", newDrawn(s, false), overloadWorkers)
	if name == "overload by logins" {
		flood = s.logsIn("flood", false)
	}
	x.Sustained = closedRate(sustainOf, min(sustainTime, long), flood)
	x.Offered = 10 * x.Sustained
	streams := []*stream{{rate: x.Offered, workers: overloadWorkers, patience: time.Second, do: flood}}
	if name == "overload by sets" {
		streams = append(streams, &stream{rate: loginRate, workers: 256, do: s.logsIn("late", false)})
	}
	ages, most := s.sampleAges(), sampleMemory()
	var group sync.WaitGroup
	began := time.Now()
	for _, r := range streams {
		r.run(&group, began, long)
	}
	group.Wait()
	x.Seconds = time.Since(began).Seconds()
	x.OldestP99MS, x.OldestMaxMS = ages()
	x.HeapMB, x.ResidentMB = most()
	f := streams[0]
	answered := f.take()
	x.Started, x.Answered = float64(f.started.Load())/x.Seconds, float64(answered.n)/x.Seconds
	x.Refused = float64(f.refused.Load()) / float64(max(f.started.Load(), 1))
	x.quantiles = answered.summary()
	x.Login = x.quantiles
	if len(streams) > 1 {
		x.Login = streams[1].take().summary()
	}
	return x.print()
}

func (x overload) print() overload {
	fmt.Printf("%s/sessions=%d: sustains %.0f/s, offered %.0f/s, started %.0f/s, answered %.0f/s, %.1f %% refused; p99 %.0f ms; logins p50 %.1f ms, p99 %.1f ms; oldest unwritten p99 %.0f ms, max %.0f ms; heap %.0f MB, resident %.0f MB\n",
		x.Work, x.Sessions, x.Sustained, x.Offered, x.Started, x.Answered, 100*x.Refused, x.P99US/1000,
		x.Login.P50US/1000, x.Login.P99US/1000, x.OldestP99MS, x.OldestMaxMS, x.HeapMB, x.ResidentMB)
	return x
}

// sampleMemory samples the memory of the process until the result is called, which returns the maxima in megabytes.
func sampleMemory() func() (heap, resident float64) {
	over := make(chan struct{})
	var group sync.WaitGroup
	var heapMax, residentMax float64
	group.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			h, r := memory()
			heapMax, residentMax = max(heapMax, h), max(residentMax, r)
			select {
			case <-over:
				return
			case <-tick.C:
			}
		}
	})
	return func() (float64, float64) {
		close(over)
		group.Wait()
		return heapMax, residentMax
	}
}

// TestOverloadCountsWhatIsStartedAndRefused runs one for a moment.
func TestOverloadCountsWhatIsStartedAndRefused(t *testing.T) {
	for _, x := range overloads(t, 50, 50*time.Millisecond) {
		if x.Started == 0 || x.Answered == 0 || x.Refused >= 1 || x.HeapMB == 0 {
			t.Errorf("got %+v", x)
		}
	}
}
