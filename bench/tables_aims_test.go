package bench

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
)

func lookupsTable(r *report) string {
	var rows [][]string
	for _, x := range r.Lookups {
		rows = append(rows, []string{x.What, figure(float64(x.Sessions)), strconv.Itoa(x.Clients), figure(x.NS) + marked(x.Definition == x.definition())})
	}
	return grid([]string{"lookup", "sessions", "clients", "ns"}, rows)
}

func behindTable(r *report) string {
	var rows [][]string
	for _, x := range r.Behind {
		rows = append(rows, []string{x.What, figure(float64(x.Sessions)), figure(x.PerSecond) + marked(x.Definition == x.definition())})
	}
	return grid([]string{"changes", "sessions", "a second"}, rows)
}

func growthTable(r *report) string {
	var rows [][]string
	for _, x := range r.Growth {
		rows = append(rows, []string{
			figure(float64(x.Sessions)), figure(x.HotReadNS) + marked(x.Definition == x.definition()), figure(x.ColdReadUS), figure(x.RawSelectUS),
			figure(x.MemoryBytes), figure(x.FileBytes), figure(x.OpenMS), figure(x.RecoverMS), figure(x.CreatePerSec),
		})
	}
	return grid([]string{"sessions", "hot read ns", "cold read µs", "bare SELECT µs", "memory B", "file B", "open ms", "open after SIGKILL ms", "creates a second"}, rows) +
		picture("time of one operation by the number of sessions", "-time.svg") + picture("space of one session by the number of sessions", "-space.svg")
}

// picture links the newest picture of a kind, if there is one.
func picture(title, kind string) string {
	files, _ := filepath.Glob(filepath.Join("results", "????-??-??"+kind)) // the pattern is well-formed
	if len(files) == 0 {
		return ""
	}
	return fmt.Sprintf("\n![%s](../bench/results/%s)\n", title, filepath.Base(slices.Max(files)))
}

// aim is a target and how a report says what was reached.
type aim struct {
	work, aim string
	least     float64 // what meets it, if it is not 0
	most      float64 // otherwise
	reached   func(r *report) (v float64, current bool)
}

// aims returns the targets. Ratios are the rival's time divided by ours, or our rate divided by the other.
func aims() []aim {
	times := func(work, rival string, sessions, clients int) func(*report) (float64, bool) {
		return func(r *report) (float64, bool) { return r.ratio(work, rival, sessions, clients) }
	}
	return []aim{
		{"read, 1 session, 1 client", "≥ 0.85 of the floor", 0.85, 0, times("read", "floor", 1, 1)},
		{"the same", "≥ 1.0 of a mutex and a map", 1, 0, times("read", "mutex-map", 1, 1)},
		{"read, 100,000 sessions, 64 clients", "≥ 0.9 of the floor", 0.9, 0, times("read", "floor", docSessions, 64)},
		{"lookup, 100,000 sessions, 64 clients", "≥ 1.0 of otter", 1, 0, lookupRatio},
		{"set, sustained", "≥ 2 × scs in memory, JSON", 2, 0, rateRatio("sustained set", "scs-memstore-json", perSecond)},
		{"the same, written", "≥ 2 × the bare loop in order of arrival", 2, 0, rateRatio("sustained set", bareArrival, perWritten)},
		{"the same", "≥ 0.8 of the bare loop that chooses neighbours", 0.8, 0, rateRatio("sustained set", bareWindow, perWritten)},
		{"oldest unwritten change meanwhile", "≤ 350 ms", 0, 350, sustainedOfOurs(func(x sustained) float64 { return x.OldestMaxMS })},
		{"login beside sets as fast as they can, p50", "≤ 10 ms", 0, 10, sustainedOfOurs(func(x sustained) float64 { return x.LoginTimes.P50US / 1000 })},
		{"the same, p99", "≤ 25 ms", 0, 25, sustainedOfOurs(func(x sustained) float64 { return x.LoginTimes.P99US / 1000 })},
		{"durable create, 1 caller", "≥ 0.85 of the bare commit", 0.85, 0, createRatio("sessile", "raw commits in turn", 1, creates)},
		{"durable create, 256 callers", "≥ 0.85 of bare group commit", 0.85, 0, createRatio("sessile", "bare group commit", 256, creates)},
		{"its p99", "≤ 1.5 × that of bare group commit", 0, 1.5, createRatio("sessile", "bare group commit", 256, func(x durable) float64 { return x.P99US })},
		{"the same, default limit, new users", "≥ 0.9 of no limit", 0.9, 0, createRatio("sessile, limit of 10, new users", "sessile", 256, creates)},
		{"cold read, 1 client", "≥ 0.75 of the bare SELECT", 0.75, 0, selectRatio(1)},
		{"cold read, 16 clients", "≥ 0.75 of the bare SELECT", 0.75, 0, selectRatio(16)},
		{"set over HTTP", "≥ 0.75 of the floor", 0.75, 0, servedRatio},
		{"memory of a session, 100,000 sessions", "≤ 800 bytes", 0, 800, memoryOfSession},
	}
}

func perSecond(x sustained) float64  { return x.PerSecond }
func perWritten(x sustained) float64 { return x.Written }
func creates(x durable) float64      { return x.PerSecond }

// sustainedOfOurs returns a value of our row of sets beside logins.
func sustainedOfOurs(value func(sustained) float64) func(*report) (float64, bool) {
	return func(r *report) (float64, bool) {
		for _, x := range r.Sustain {
			if x.Work == "sustained set beside logins" && x.Contestant == "sessile" {
				return value(x), x.Definition == x.definition()
			}
		}
		return 0, true
	}
}

func memoryOfSession(r *report) (float64, bool) {
	for _, x := range r.Growth {
		if x.Sessions == docSessions {
			return x.MemoryBytes, x.Definition == x.definition()
		}
	}
	return 0, true
}

func aimsTable(r *report) string {
	var rows [][]string
	for _, a := range aims() {
		v, current := a.reached(r)
		if v == 0 {
			rows = append(rows, []string{a.work, a.aim, "not measured yet", ""})
			continue
		}
		met := "no"
		if a.most == 0 && v >= a.least || v <= a.most {
			met = "yes"
		}
		rows = append(rows, []string{a.work, a.aim, figure(v) + marked(current), met})
	}
	return grid([]string{"work", "aim", "reached", "met"}, rows)
}

// quotient returns a value of one row divided by that of another, or 0 if one of them is missing.
func quotient[T defined](rows []T, a, b func(T) bool, value func(T) float64, definition func(T) string) (v float64, current bool) {
	i, j := slices.IndexFunc(rows, a), slices.IndexFunc(rows, b)
	if i < 0 || j < 0 || value(rows[j]) == 0 {
		return 0, true
	}
	return value(rows[i]) / value(rows[j]), definition(rows[i]) == rows[i].definition() && definition(rows[j]) == rows[j].definition()
}

func lookupRatio(r *report) (v float64, current bool) {
	of := func(what string) func(lookup) bool {
		return func(x lookup) bool { return x.What == what && x.Sessions == docSessions && x.Clients == 64 }
	}
	return quotient(r.Lookups, of("SHA-256 + otter"), of("sessile"), func(x lookup) float64 { return x.NS }, func(x lookup) string { return x.Definition })
}

func rateRatio(work, rival string, value func(sustained) float64) func(*report) (float64, bool) {
	of := func(name string) func(sustained) bool {
		return func(x sustained) bool { return x.Work == work && x.Contestant == name }
	}
	return func(r *report) (float64, bool) {
		return quotient(r.Sustain, of("sessile"), of(rival), value, func(x sustained) string { return x.Definition })
	}
}

func createRatio(name, rival string, n int, value func(durable) float64) func(*report) (float64, bool) {
	of := func(name string) func(durable) bool {
		return func(x durable) bool { return x.Operation == "create" && x.Contestant == name && x.Callers == n }
	}
	return func(r *report) (float64, bool) {
		return quotient(r.Durable, of(name), of(rival), value, func(x durable) string { return x.Definition })
	}
}

func selectRatio(n int) func(*report) (float64, bool) {
	of := func(name string) func(coldSelect) bool {
		return func(x coldSelect) bool { return x.Contestant == name && x.Clients == n }
	}
	return func(r *report) (float64, bool) {
		return quotient(r.Selects, of(ofOurs), of(ofSelect), func(x coldSelect) float64 { return x.PerSecond }, func(x coldSelect) string { return x.Definition })
	}
}

func servedRatio(r *report) (v float64, current bool) {
	of := func(name string) func(served) bool {
		return func(x served) bool { return x.Work == "http set" && x.Contestant == name }
	}
	return quotient(r.HTTP, of("sessile"), of("floor"), func(x served) float64 { return x.PerSecond }, func(x served) string { return x.Definition })
}
