package arch

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the diagram and the table of DESIGN.md from the rules")

const (
	designBegin = "<!-- dependencies: go test ./internal/arch -update -->\n"
	designEnd   = "<!-- end of dependencies -->"
)

// TestDesignShowsTheRules: the rules generate what DESIGN.md says about dependencies, so that each
// rule is written once.
func TestDesignShowsTheRules(t *testing.T) {
	path := filepath.Join("..", "..", "DESIGN.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), designBegin)
	old, after, ok2 := strings.Cut(rest, designEnd)
	if !ok || !ok2 {
		t.Fatal("DESIGN.md has no place for the dependencies")
	}
	now := diagram() + "\n" + table()
	switch {
	case old == now:
	case !*update:
		t.Error("the dependencies in DESIGN.md are out of date: go test ./internal/arch -update")
	default:
		if err := os.WriteFile(path, []byte(before+designBegin+now+designEnd+after), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// diagram draws the imports as a Mermaid diagram.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	edge := func(from, to string) { fmt.Fprintf(&b, "    %s --> %s\n", node(from), node(to)) }
	for _, from := range slices.Sorted(maps.Keys(nested())) {
		for _, to := range nested()[from] {
			edge(from+" (module)", to)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(packages())) {
		for _, to := range slices.Sorted(slices.Values(packages()[from].imports)) {
			edge(from, to)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// node returns the identifier and the label of a package in the diagram.
func node(name string) string {
	if name == "." {
		name = "sessile"
	}
	id := strings.NewReplacer("/", "_", " ", "_", "(", "", ")", "").Replace(name)
	return fmt.Sprintf("%s[%q]", id, name)
}

// table lists what each package may import, and what it must not know.
func table() string {
	var b strings.Builder
	b.WriteString("| package | may import from other projects | must not import |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(packages())) {
		r := packages()[name]
		if slices.Equal(r.modules, testModules()) {
			r.modules = []string{"test libraries"}
		}
		denied := slices.Clone(r.shuns)
		for _, p := range guarded() {
			if !slices.Contains(r.stdlib, p) {
				denied = append(denied, p)
			}
		}
		if name == "." {
			name = "sessile"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.Join(slices.Sorted(slices.Values(r.modules)), ", "), strings.Join(slices.Sorted(slices.Values(denied)), ", "))
	}
	return b.String()
}
