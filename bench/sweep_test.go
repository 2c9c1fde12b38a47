package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// setting is the result of a store with one choice of its tuning.
type setting struct {
	Definition string  `json:"definition"`
	Interval   string  `json:"batch_interval"`
	Size       int     `json:"batch_size"`
	Touches    float64 `json:"touches_per_second"` // that reach the disk at full speed
	Bytes      float64 `json:"bytes_per_touch"`    // written at that rate, including the creates
	Slow       float64 `json:"bytes_per_touch_at_5000"`
	CreateUS   float64 `json:"create_median_us"` // concurrent durable creates, one at a time
	CreateP99  float64 `json:"create_p99_us"`
}

// sweep measures the settings of the tuning guide.
func sweep(t *testing.T, n int) (list []setting) {
	t.Helper()
	for _, interval := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second} {
		list = append(list, setUp(t, n, interval, 4096))
	}
	for _, size := range []int{64, 512, 16_384} {
		list = append(list, setUp(t, n, 100*time.Millisecond, size))
	}
	return list
}

func setUp(t *testing.T, n int, interval time.Duration, size int) setting {
	t.Helper()
	x := setting{Interval: interval.String(), Size: size}
	s := openStore(t, filepath.Join(t.TempDir(), "s.db"), n, func(c *sessile.Config) { c.BatchInterval, c.BatchSize = interval, size })
	ids, _ := fill(t, s, n, short)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] }) // users arrive in random order
	sync1(t, s)
	began, before, stored := time.Now(), written(t), items(s)
	creates := during(t, s, func() { touchAll(t, s, ids, 64, 0, 2*time.Second) })
	sync1(t, s)
	touches := items(s) - stored - float64(len(creates))
	x.Touches = touches / time.Since(began).Seconds()
	x.Bytes = (written(t) - before) / touches
	slices.Sort(creates)
	if len(creates) > 0 {
		x.CreateUS, x.CreateP99 = creates[len(creates)/2], creates[len(creates)*99/100]
	}
	before, stored = written(t), items(s)
	touchAll(t, s, ids, 1, 5000, 2*time.Second)
	sync1(t, s)
	x.Slow = (written(t) - before) / (items(s) - stored)
	fmt.Printf("sweep/interval=%s/size=%d: %.0f touches/s, %.0f B written each, %.0f B at 5,000/s; a durable create meanwhile %.0f us, p99 %.0f us\n",
		x.Interval, size, x.Touches, x.Bytes, x.Slow, x.CreateUS, x.CreateP99)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return x
}

// during makes durable creates one after the other, a hundred a second, while do runs.
func during(t *testing.T, s *sessile.Store, do func()) (us []float64) {
	t.Helper()
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			began := time.Now()
			if _, _, err := s.Create(context.Background(), sessile.Meta{}, "meanwhile", nil); err != nil {
				t.Error(err)
				return
			}
			us = append(us, float64(time.Since(began).Microseconds()))
		}
	})
	do()
	close(end)
	group.Wait()
	return us
}

// items returns how many changes have reached the disk, if no commit fails. Touches that were dropped or
// superseded before they were written do not count.
func items(s *sessile.Store) float64 { return float64(s.Stats().BatchItems) }

// touchAll touches sessions for total, at a rate per second or, at 0, at full speed.
func touchAll(t *testing.T, s *sessile.Store, ids []sessile.ID, clients, rate int, total time.Duration) {
	t.Helper()
	began := time.Now()
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := c; time.Since(began) < total; i += clients {
				for rate > 0 && float64(i/clients) > float64(rate)*time.Since(began).Seconds() {
					<-time.After(time.Millisecond)
				}
				now := time.Now()
				if err := s.Touch(context.Background(), ids[i%len(ids)], now, now.Add(time.Hour)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// written returns how many bytes this process has passed to the system for writing.
func written(t *testing.T) (n float64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0 // not Linux
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "wchar: "); ok {
			_, _ = fmt.Sscan(value, &n)
		}
	}
	return n
}
