package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// report is the result of a full run.
type report struct {
	Date         string       `json:"date"`
	Commit       string       `json:"commit"` // of the last measurement
	Go           string       `json:"go"`
	CPU          string       `json:"cpu"`
	Cores        int          `json:"cores"`
	Parts        []measured   `json:"parts"`
	Results      []result     `json:"results"`
	Durable      []durable    `json:"durable"`
	Growth       []growth     `json:"growth"`
	Lookups      []lookup     `json:"lookups"`
	WhileWriting []readTimes  `json:"reads_while_writing"`
	HTTP         []served     `json:"http"`
	Sweep        []setting    `json:"sweep"`
	Behind       []writeRate  `json:"write_behind"`
	Sustain      []sustained  `json:"sustained,omitempty"`
	Selects      []coldSelect `json:"cold_reads,omitempty"`
	Over         []overload   `json:"overload,omitempty"`
	Soaks        []soak       `json:"soak,omitempty"`
}

// measured says when a part of the report was measured, and at which commit.
type measured struct {
	Part    string  `json:"part"`
	Commit  string  `json:"commit"`
	Began   string  `json:"began"`
	Seconds float64 `json:"seconds"`
	Missing string  `json:"missing,omitempty"` // contestants that could not run
}

// part is a part that can be measured separately.
type part struct {
	name string
	run  func(*testing.T, *report)
}

func allParts() []part {
	return []part{
		{"one", func(t *testing.T, r *report) { r.Results = worksOf(t, 1) }},
		{"many", func(t *testing.T, r *report) { r.Results = worksOf(t, *many) }},
		{"large", func(t *testing.T, r *report) { r.Results = worksOf(t, *large) }},
		{"cold", func(t *testing.T, r *report) { r.Results = measureCold(t, *many) }},
		{"lookups", func(t *testing.T, r *report) { r.Lookups = append(lookups(t, 1), lookups(t, *many)...) }},
		{"writing", func(t *testing.T, r *report) { r.WhileWriting = readsWhileWriting(t, *many) }},
		{"http", func(t *testing.T, r *report) { r.HTTP = overHTTP(t, httpWorks(), *many, 5, 3*time.Second) }},
		{"durable", func(t *testing.T, r *report) { r.Durable = durables(t, []int{1, 8, 64, 256}, 3) }},
		{"selects", func(t *testing.T, r *report) {
			r.Selects = coldSelects(t, *many, []int{1, 16, 64}, 9, 250*time.Millisecond)
		}},
		{"sustained", func(t *testing.T, r *report) {
			r.Sustain = sustainAll(t, sustainedContestants(), sustainWorks(), *many, sustainTime)
		}},
		{"overload", func(t *testing.T, r *report) { r.Over = overloads(t, *many, time.Minute) }},
		{"sweep", func(t *testing.T, r *report) { r.Sweep = sweep(t, *many) }},
		{"behind", func(t *testing.T, r *report) { r.Behind = writeBehind(t) }},
		{"postgres", overPostgres},
		{"growth", func(t *testing.T, r *report) { r.Growth = grow(t) }},
		{"huge", func(t *testing.T, r *report) { r.Growth = growHuge(t) }},
	}
}

// chosenParts returns the parts that the flag selects, in our order.
func chosenParts(names string) (list []part, err error) {
	all := allParts()
	if names == "" {
		return all, nil
	}
	var known []string
	wanted := strings.Split(names, ",")
	for _, p := range all {
		known = append(known, p.name)
		if slices.Contains(wanted, p.name) {
			list = append(list, p)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("-parts=%s: %q is unknown (parts: %s)", names, name, strings.Join(known, ","))
		}
	}
	return list, nil
}

// TestFull measures everything, or the selected parts. It saves the results of each part before the next
// part starts.
func TestFull(t *testing.T) {
	if !*full {
		t.Skip("make bench")
	}
	chosen, err := chosenParts(*only)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	path := filepath.Join(*into, now.Format(time.DateOnly))
	for _, p := range chosen {
		if err := measurePart(t, p, path, now); err != nil {
			t.Fatal(err)
		}
	}
}

// measurePart adds the results of a part to the file of the day. If the part fails or is skipped, nothing
// is saved.
func measurePart(t *testing.T, p part, path string, day time.Time) error {
	t.Helper()
	var got report
	began, done := time.Now(), false
	t.Run(p.name, func(t *testing.T) {
		p.run(t, &got)
		done = !t.Failed()
	})
	debug.FreeOSMemory()
	if !done {
		return nil
	}
	got.define()
	rep, err := load(path)
	if err != nil {
		return err
	}
	rep.Date, rep.Commit, rep.Go, rep.CPU, rep.Cores = day.Format(time.DateOnly), commit(), runtime.Version(), cpu(), runtime.NumCPU()
	got.Parts = []measured{{p.name, rep.Commit, began.UTC().Format(time.RFC3339), time.Since(began).Seconds(), missing()}}
	rep.take(&got)
	return rep.write(path)
}

// load reads the report of the day, if it exists.
func load(path string) (r report, err error) {
	b, err := os.ReadFile(path + ".json")
	if os.IsNotExist(err) {
		return report{}, nil
	}
	if err != nil {
		return report{}, err
	}
	return r, json.Unmarshal(b, &r)
}

// take adds the results of another report and replaces older results of the same measurement.
func (r *report) take(got *report) {
	r.Parts = merge(r.Parts, got.Parts, func(x measured) any { return x.Part })
	r.Results = merge(r.Results, got.Results, func(x result) any { return [4]any{x.Work, x.Contestant, x.Clients, x.Sessions} })
	r.Durable = merge(r.Durable, got.Durable, func(x durable) any { return [3]any{x.Operation, x.Contestant, x.Callers} })
	r.Growth = merge(r.Growth, got.Growth, func(x growth) any { return x.Sessions })
	r.Lookups = merge(r.Lookups, got.Lookups, func(x lookup) any { return [3]any{x.What, x.Sessions, x.Clients} })
	r.WhileWriting = merge(r.WhileWriting, got.WhileWriting, func(x readTimes) any { return x.When })
	r.HTTP = merge(r.HTTP, got.HTTP, func(x served) any { return [3]any{x.Work, x.Contestant, x.Sessions} })
	r.Sweep = merge(r.Sweep, got.Sweep, func(x setting) any { return [2]any{x.Interval, x.Size} })
	r.Behind = merge(r.Behind, got.Behind, func(x writeRate) any { return [2]any{x.What, x.Sessions} })
	r.Sustain = merge(r.Sustain, got.Sustain, func(x sustained) any { return [3]any{x.Work, x.Contestant, x.Sessions} })
	r.Selects = merge(r.Selects, got.Selects, func(x coldSelect) any { return [3]any{x.Contestant, x.Clients, x.Sessions} })
	r.Over = merge(r.Over, got.Over, func(x overload) any { return [2]any{x.Work, x.Sessions} })
	if len(got.Soaks) > 0 {
		r.Soaks = got.Soaks
	}
	slices.SortFunc(r.Growth, func(a, b growth) int { return cmp.Compare(a.Sessions, b.Sessions) })
}

// merge appends the new rows to the old rows that none of them replaces.
func merge[T any](old, rows []T, what func(T) any) []T {
	fresh := make(map[any]bool)
	for _, x := range rows {
		fresh[what(x)] = true
	}
	return append(slices.DeleteFunc(old, func(x T) bool { return fresh[what(x)] }), rows...)
}

// write replaces the file atomically, so that an interrupted run leaves a complete one.
func (r *report) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".json.new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.Rename(path+".json.new", path+".json"); err != nil {
		return err
	}
	return r.plot(path)
}

// missing says what cannot run here.
func missing() string {
	var list []string
	if redisServer() == "" {
		list = append(list, "scs-redis: no redis-server")
	}
	if noWrk() != nil {
		list = append(list, "http: no wrk")
	}
	return strings.Join(list, ", ")
}
