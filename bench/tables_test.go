package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the pages from results/")

// TestTablesAreThoseOfTheResults compares every generated table of the pages with the results. make bench-tables writes them.
func TestTablesAreThoseOfTheResults(t *testing.T) {
	r, err := published("results")
	if err != nil {
		t.Fatal(err)
	}
	left := tables()
	for _, page := range []string{"../docs/benchmarks.md", "../README.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := between.ReplaceAllStringFunc(string(b), func(old string) string {
			name := between.FindStringSubmatch(old)[1]
			of := tables()[name]
			if of == nil {
				t.Errorf("%s: there is no table %q", page, name)
				return old
			}
			delete(left, name)
			return "<!-- bench: " + name + " -->\n" + of(r) + "<!-- end -->"
		})
		if text == string(b) {
			continue
		}
		if !*update {
			t.Errorf("%s is not up to date: make bench-tables", page)
		} else if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name := range left {
		t.Errorf("no page has table %q", name)
	}
}

// between matches a generated table in a page.
var between = regexp.MustCompile(`(?s)<!-- bench: (.*?) -->\n.*?<!-- end -->`)

// published returns the results of all days. Rows of a later day replace those of an earlier one.
func published(dir string) (*report, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	all := new(report)
	for _, name := range files {
		r, err := load(strings.TrimSuffix(name, ".json"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all.take(&r)
	}
	return all, nil
}

// tables returns the generators by name.
func tables() map[string]func(*report) string {
	return map[string]func(*report) string{
		"readme":      readmeTable,
		"runs":        runsTable,
		"requests":    requestsTable,
		"json":        jsonTable,
		"cold":        coldTable,
		"durable":     durableTable,
		"sustained":   sustainedTable,
		"overload":    overloadTable,
		"soak":        soakTable,
		"http":        httpTable,
		"lookups":     lookupsTable,
		"behind":      behindTable,
		"growth":      growthTable,
		"settings":    settingsTable,
		"definitions": definitionsTable,
		"aims":        aimsTable,
		"instead":     insteadTable,
	}
}

// changed marks a cell whose rows were measured by another definition than that of the code.
const changed = "†"

// marked is changed if one of the rows has an older definition.
func marked(current ...bool) string {
	if slices.Contains(current, false) {
		return changed
	}
	return ""
}

// figure formats a number with about two digits.
func figure(v float64) string {
	switch {
	case v >= 1000:
		s := fmt.Sprintf("%.0f", v)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case v >= 10 || v == 1:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// grid formats a table. A row without figures is left out.
func grid(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| ")
			if c != "" {
				b.WriteString(c + " ")
			}
		}
		b.WriteString("|\n")
	}
	line(head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(head)))
	n := 0
	for _, r := range rows {
		if strings.Join(r[1:], "") != "" {
			line(r)
			n++
		}
	}
	if n == 0 {
		return "Not measured yet.\n"
	}
	return b.String()
}

// runsTable says when each part was measured, at which commit.
func runsTable(r *report) string {
	var rows [][]string
	for _, p := range r.Parts {
		rows = append(rows, []string{p.Part, p.Began[:10], p.Commit, fmt.Sprintf("%.0f s", p.Seconds), p.Missing})
	}
	return grid([]string{"part", "date", "commit", "took", "left out"}, rows)
}

// settingsTable says what each contestant is.
func settingsTable(*report) string {
	var rows [][]string
	for _, k := range contestants() {
		rows = append(rows, []string{k.name, k.settings})
	}
	return grid([]string{"contestant", "what it is"}, rows)
}

// definitionsTable lists the definitions, and says which published rows were measured by another one.
func definitionsTable(r *report) string {
	list := make(map[[2]string]string) // name and definition
	note := func(name string, x defined, definition string) {
		key := [2]string{name, x.definition()}
		if definition != x.definition() || list[key] == changed {
			list[key] = changed
			return
		}
		list[key] = "as now"
	}
	for _, x := range r.Results {
		if x.Contestant == "sessile" {
			note("requests: "+x.Work, x, x.Definition)
		}
	}
	for _, x := range r.Durable {
		note("durable calls: "+x.Operation, x, x.Definition)
	}
	for _, x := range r.Sustain {
		note("sustained: "+x.Work+": "+x.Contestant, x, x.Definition)
	}
	noteAll(note, "growth", r.Growth, func(x growth) string { return x.Definition })
	noteAll(note, "lookups", r.Lookups, func(x lookup) string { return x.Definition })
	noteAll(note, "reads beside load", r.WhileWriting, func(x readTimes) string { return x.Definition })
	noteAll(note, "tuning", r.Sweep, func(x setting) string { return x.Definition })
	noteAll(note, "write-behind", r.Behind, func(x writeRate) string { return x.Definition })
	noteAll(note, "HTTP", r.HTTP, func(x served) string { return x.Definition })
	noteAll(note, "cold reads", r.Selects, func(x coldSelect) string { return x.Definition })
	noteAll(note, "overload", r.Over, func(x overload) string { return x.Definition })
	noteAll(note, "soak", r.Soaks, func(x soak) string { return x.Definition })
	var rows [][]string
	for key, state := range list {
		rows = append(rows, []string{key[0], state, key[1]})
	}
	slices.SortFunc(rows, slices.Compare)
	return grid([]string{"figures", "published", "definition now"}, rows)
}

func noteAll[T defined](note func(string, defined, string), name string, rows []T, of func(T) string) {
	for _, x := range rows {
		note(name, x, of(x))
	}
}
