package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The code follows the rules for dependencies, the clock, goroutines and sizes.
func TestArchKeepsTheRules(t *testing.T) { // A6, D15, D29, D3, S47
	faults, files, err := check(filepath.Join("..", ".."), packages())
	if err != nil {
		t.Fatalf("reading the source: %v", err)
	}
	if files == 0 {
		t.Fatal("no Go file found: the check looked at nothing")
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// Negative control: a program that contains every violation once. Each line that ends in "// want RULE …"
// must be reported, and nothing else. Violations without a line are in testdata/bad/want.txt.
func TestArchNoticesEveryViolation(t *testing.T) {
	root := filepath.Join("testdata", "bad")
	faults, _, err := check(root, packages())
	if err != nil {
		t.Fatalf("reading the bad program: %v", err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.where+" "+f.rule)
	}
	want, err := wanted(root)
	if err != nil {
		t.Fatalf("reading what is wanted: %v", err)
	}
	for _, w := range want {
		if i := slices.Index(got, w); i >= 0 {
			got = slices.Delete(got, i, i+1)
			continue
		}
		t.Errorf("not found: %s", w)
	}
	for _, g := range got {
		t.Errorf("found, and not a fault: %s", g)
	}
}

// Every rule of the checker has a negative control.
func TestArchHasAControlForEveryRule(t *testing.T) {
	want, err := wanted(filepath.Join("testdata", "bad"))
	if err != nil {
		t.Fatalf("reading what is wanted: %v", err)
	}
	for _, rule := range []string{
		"dependency", "unused-dependency", "unknown-package", "forbidden-import", "foreign-import", "guarded-import", "shunned-import",
		"file-length", "func-length", "init", "token", "clock", "sleep", "lock", "goroutine", "loop-waits", "core-import", "core-publishes", "sql-clock", "upsert",
	} {
		if !slices.ContainsFunc(want, func(w string) bool { return strings.HasSuffix(w, " "+rule) }) {
			t.Errorf("no control breaks the rule %s", rule)
		}
	}
}

// wanted reads the expected violations of a bad program.
func wanted(root string) ([]string, error) {
	files, err := load(root)
	if err != nil {
		return nil, err
	}
	var want []string
	for _, f := range files {
		for _, group := range f.tree.Comments {
			for _, comment := range group.List {
				rules, ok := strings.CutPrefix(comment.Text, "// want ")
				if !ok {
					continue
				}
				for rule := range strings.FieldsSeq(rules) {
					want = append(want, fmt.Sprintf("%s %s", f.line(comment.Pos()), rule))
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "want.txt"))
	if err != nil {
		return nil, err
	}
	return append(want, slices.Collect(strings.SplitSeq(strings.TrimSpace(string(text)), "\n"))...), nil
}
