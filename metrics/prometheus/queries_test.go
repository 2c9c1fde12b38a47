package prometheus_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sessile/sessile/metrics/prometheus"
)

var promtool = flag.String("promtool", "", "the program that checks rules and queries; make alerts")

// dashboard is what the tests read of dashboard.json.
type dashboard struct {
	Panels []struct {
		ID                 int
		Title, Description string
		Targets            []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Query any
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// queries are the queries of the dashboard.
func queries(t *testing.T) (all []string) {
	t.Helper()
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// exposed is what a scrape of a store returns.
func exposed(t *testing.T) string {
	t.Helper()
	s := open(t)
	login(t, s)
	handler := promhttp.HandlerFor(registry(t, prometheus.New(s, prometheus.Options{})), promhttp.HandlerOpts{})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return "\n" + answer.Body.String()
}

// selector is a metric's name in a query, with the matchers of its labels if there are any.
var selector = regexp.MustCompile(`\b(sessile_[a-z_]+)(\{[^}]*\})?`)

// missing returns the selectors of a query that select nothing of what is exposed.
func missing(query, exposed string) (all []string) {
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		line := `\n` + m[1] + `[ {]`
		for _, label := range regexp.MustCompile(`([a-z_]+)(=~?)"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
			if label[1] != "job" && label[1] != "instance" { // those that Prometheus adds
				line = `\n` + m[1] + `\{[^\n]*` + label[1] + `="` + label[3] + `"`
			}
		}
		if !regexp.MustCompile(line).MatchString(exposed) {
			all = append(all, m[0])
		}
	}
	return all
}

func TestQueriesUseMetricsThatTheCollectorExposes(t *testing.T) {
	exposed := exposed(t)
	variables, err := json.Marshal(readDashboard(t).Templating)
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(readFile(t, filepath.Join("..", "..", "docs", "metrics.md"))), "<!-- end of table -->")
	used := map[string]string{
		"dashboard": strings.Join(queries(t), "\n"), "its variables": strings.ReplaceAll(string(variables), `\"`, `"`),
		"alerts": string(readFile(t, "alerts.yml")), "page": page,
	}
	for name, text := range used {
		if !selector.MatchString(text) {
			t.Errorf("%s: no query", name)
		}
		for _, s := range missing(text, exposed) {
			t.Errorf("%s: the collector exposes no %s", name, s)
		}
	}
}

func TestQueriesWithAWrongNameOrLabelAreNoticed(t *testing.T) {
	exposed := exposed(t)
	for query, n := range map[string]int{
		`rate(sessile_reads_total{source="memory"}[5m])`:                   0,
		`rate(sessile_reads_total{job=~"$job",source="memory"}[5m])`:       0,
		`rate(sessile_reads_total{source="cache"}[5m])`:                    1,
		`rate(sessile_reads_total{from="memory"}[5m])`:                     1,
		`sessile_reads + sessile_wal_size_bytes`:                           1,
		`rate(sessile_batch_size[5m]) + rate(sessile_batch_size_sum[5m])`:  1,
		`sessile_commit_duration_seconds_bucket{le="0.0001"} + sessile_up`: 1,
	} {
		if got := missing(query, exposed); len(got) != n {
			t.Errorf("%s: %q, want %d", query, got, n)
		}
	}
}

func TestDashboardPanelsAreDescribedAndDistinct(t *testing.T) {
	var ids []int
	for _, p := range readDashboard(t).Panels {
		if p.Title == "" || !strings.HasSuffix(p.Description, ".") || len(p.Targets) == 0 || slices.Contains(ids, p.ID) {
			t.Errorf("panel %d: %q, %q, %d queries", p.ID, p.Title, p.Description, len(p.Targets))
		}
		ids = append(ids, p.ID)
	}
	if len(ids) < 10 {
		t.Errorf("%d panels", len(ids))
	}
}

// TestPromtoolAcceptsAlertsAndQueries checks and tests the alert rules, and checks the
// dashboard's queries as if they were rules.
func TestPromtoolAcceptsAlertsAndQueries(t *testing.T) {
	if *promtool == "" {
		t.Skip("make alerts")
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, q := range queries(t) {
		q = strings.NewReplacer("$__rate_interval", "5m", "$job", ".+", "$instance", ".+").Replace(q)
		fmt.Fprintf(&rules, "  - record: query_%d\n    expr: '%s'\n", i, q)
	}
	asRules := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(asRules, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"check", "rules", asRules}, {"test", "rules", "alerts_test.yml"}} {
		out, err := exec.CommandContext(t.Context(), *promtool, args...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
