package prometheus_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics/prometheus"
	_ "github.com/sessile/sessile/persist/sqlite"
)

// open opens a store in a new file, for the time of the test.
func open(t *testing.T) *sessile.Store {
	t.Helper()
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db"), CleanupInterval: sessile.NoCleanup})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// login makes a session of ann's.
func login(t *testing.T, s *sessile.Store) (sessile.Session, sessile.Token) {
	t.Helper()
	session, token, err := s.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	return session, token
}

// registry has the metrics of a store. It checks them at each scrape.
func registry(t *testing.T, c ...client.Collector) *client.Registry {
	t.Helper()
	r := client.NewPedanticRegistry()
	for _, c := range c {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func compare(t *testing.T, r client.Gatherer, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestCollectorExportsWhatTheStoreDid(t *testing.T) {
	s := open(t)
	first, token := login(t, s)
	second, _ := login(t, s)
	for range 3 {
		if _, err := s.ReadByToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Update(t.Context(), first.ID(), new(sessile.Changes).Set("k", 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), second.ID()); err != nil {
		t.Fatal(err)
	}
	compare(t, registry(t, prometheus.New(s, prometheus.Options{})), `
# HELP sessile_cache_sessions Sessions in memory.
# TYPE sessile_cache_sessions gauge
sessile_cache_sessions 1
# HELP sessile_commits_started_total Commits started, failed ones included.
# TYPE sessile_commits_started_total counter
sessile_commits_started_total 4
# HELP sessile_health_state Health of the store: 1 for the current state, 0 for the others.
# TYPE sessile_health_state gauge
sessile_health_state{state="degraded"} 0
sessile_health_state{state="failed"} 0
sessile_health_state{state="ok"} 1
# HELP sessile_reads_total Reads of sessions, by what answered them: memory or disk.
# TYPE sessile_reads_total counter
sessile_reads_total{source="disk"} 0
sessile_reads_total{source="memory"} 3
# HELP sessile_sessions_created_total Sessions created by logins and guests.
# TYPE sessile_sessions_created_total counter
sessile_sessions_created_total 2
# HELP sessile_sessions_ended_total Sessions that ended, by cause: destroyed by a logout, evicted over a limit, or expired and deleted by the clean-up.
# TYPE sessile_sessions_ended_total counter
sessile_sessions_ended_total{cause="destroyed"} 1
sessile_sessions_ended_total{cause="evicted"} 0
sessile_sessions_ended_total{cause="expired"} 0
# HELP sessile_writes_total Changes accepted in memory, by kind: data (flushes and updates) or touch.
# TYPE sessile_writes_total counter
sessile_writes_total{kind="data"} 1
sessile_writes_total{kind="touch"} 0
`, "sessile_cache_sessions", "sessile_commits_started_total", "sessile_health_state", "sessile_reads_total",
		"sessile_sessions_created_total", "sessile_sessions_ended_total", "sessile_writes_total")
}

func TestCollectorExportsHistogramsOfCommits(t *testing.T) {
	s := open(t)
	login(t, s)
	login(t, s)
	families, err := registry(t, prometheus.New(s, prometheus.Options{})).Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		h := f.GetMetric()[0].GetHistogram()
		if h == nil {
			continue
		}
		seen++
		last := h.GetBucket()[len(h.GetBucket())-1]
		if h.GetSampleCount() != 2 || last.GetCumulativeCount() != 2 || h.GetSampleSum() <= 0 {
			t.Errorf("%s: %v", f.GetName(), h)
		}
	}
	if seen != 2 {
		t.Errorf("%d histograms, want 2", seen)
	}
}

func TestCollectorPassesPromlint(t *testing.T) {
	r := registry(t, prometheus.New(open(t), prometheus.Options{}))
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n, err := testutil.GatherAndCount(r); err != nil || n < 30 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

func TestCollectorsOfTwoStoresShareARegistry(t *testing.T) {
	web, admin := open(t), open(t)
	login(t, web)
	collector := func(s *sessile.Store, name string) client.Collector {
		return prometheus.New(s, prometheus.Options{Namespace: "app_sessions", ConstLabels: client.Labels{"store": name}})
	}
	compare(t, registry(t, collector(web, "web"), collector(admin, "admin")), `
# HELP app_sessions_sessions_created_total Sessions created by logins and guests.
# TYPE app_sessions_sessions_created_total counter
app_sessions_sessions_created_total{store="admin"} 0
app_sessions_sessions_created_total{store="web"} 1
`, "app_sessions_sessions_created_total")
}

func TestCollectorReportsAClosedStoreAsFailed(t *testing.T) {
	s := open(t)
	r := registry(t, prometheus.New(s, prometheus.Options{}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	compare(t, r, `
# HELP sessile_health_state Health of the store: 1 for the current state, 0 for the others.
# TYPE sessile_health_state gauge
sessile_health_state{state="degraded"} 0
sessile_health_state{state="failed"} 1
sessile_health_state{state="ok"} 0
`, "sessile_health_state")
}

func TestCollectorAnswersScrapesAtOnce(t *testing.T) {
	s := open(t)
	r := registry(t, prometheus.New(s, prometheus.Options{}))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				if _, err := r.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		login(t, s)
	}
	all.Wait()
}
