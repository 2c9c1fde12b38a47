package scs_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// cannotPass lists the tests of scs that cannot pass, and why. A test on the list that passes fails
// TestManagerPassesScsOwnSuite.
func cannotPass() map[string]string {
	const token = "the test chooses the session's token; ours comes from crypto/rand, and only its hash is stored"
	const store = "there is no scs.Store to fail"
	return map[string]string{
		"TestEnable": "it wants the cookie again after every change; ours is sent when it changes, and once in each TouchInterval, " +
			"because a slow response could otherwise replace a newer cookie",
		"TestSessionManager_Load/happy_path":                        token,
		"TestSessionManager_Load/with_token_hashing":                token,
		"TestSessionManager_Load/with_error_finding_token_in_store": store,
		"TestSessionManager_Load/with_error_decoding_found_token":   store,
		"TestSessionManager_Commit/happy_path":                      token,
		"TestSessionManager_Commit/with_empty_token":                token,
		"TestSessionManager_Commit/with_expired_deadline":           token,
		"TestSessionManager_Commit/with_token_hashing":              token,
		"TestSessionManager_Commit/with_error_committing_to_store":  store,
	}
}

// TestManagerPassesScsOwnSuite builds the test files of scs, from the module cache and unchanged,
// with testdata/shim.go, and runs them. Each test runs in a process of its own, because one that
// panics ends it.
func TestManagerPassesScsOwnSuite(t *testing.T) {
	suite := buildSuite(t)
	names := strings.Fields(run(t, suite, "-test.list=^Test"))
	var mu sync.Mutex
	failed, passed := make(map[string]string), make(map[string]bool)
	t.Run("all", func(t *testing.T) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				bad, good, output := runTest(t, suite, name)
				mu.Lock()
				defer mu.Unlock()
				for _, name := range bad {
					failed[name] = output
				}
				for _, name := range good {
					passed[name] = true
				}
			})
		}
	})
	for name, output := range failed {
		if cannotPass()[name] == "" {
			t.Errorf("%s fails:\n%s", name, output)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cannotPass())) {
		if failed[name] == "" {
			t.Errorf("%s is on the list of tests that cannot pass, and passes", name)
		}
	}
	t.Logf("%d tests of scs pass, %d are on the list", len(passed), len(cannotPass()))
	if len(passed) < 30 {
		t.Errorf("only %d tests of scs pass: were they found?", len(passed))
	}
}

// buildSuite builds scs's tests as a package of this module that exists only for the compiler.
func buildSuite(t *testing.T) (program string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	from := strings.TrimSpace(run(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/alexedwards/scs/v2"))
	files, err := filepath.Glob(filepath.Join(from, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of scs in %s: %v", from, err)
	}
	pkg := filepath.Join(here, "suite")
	replace := map[string]string{filepath.Join(pkg, "shim.go"): filepath.Join(here, "testdata", "shim.go")}
	for _, file := range files {
		replace[filepath.Join(pkg, filepath.Base(file))] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "suite.test")
	run(t, "go", "test", "-c", "-vet=off", "-overlay="+list, "-o", program, "./suite")
	return program
}

var result = regexp.MustCompile(`(?m)^ *--- (FAIL|PASS): (\S+)`)

// runTest runs one test of scs and returns which of its parts failed and passed: the subtests if it
// has any, else itself. Some of scs's tests sleep and then look whether it was too long, so a test
// that fails on a busy machine runs up to three times.
func runTest(t *testing.T, suite, name string) (bad, good []string, output string) {
	t.Helper()
	for range 3 {
		cmd := exec.CommandContext(t.Context(), suite, "-test.v", "-test.run=^"+name+"$")
		cmd.Env = append(os.Environ(), "SCS_SUITE_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		bad, good, output = nil, nil, string(out)
		for _, m := range result.FindAllStringSubmatch(output, -1) {
			if m[2] == name && strings.Contains(output, "=== RUN   "+name+"/") {
				continue
			}
			if m[1] == "FAIL" {
				bad = append(bad, m[2])
			} else {
				good = append(good, m[2])
			}
		}
		if err != nil && len(bad) == 0 {
			bad = append(bad, name)
		}
		if !slices.ContainsFunc(bad, func(name string) bool { return cannotPass()[name] == "" }) {
			return bad, good, output
		}
	}
	return bad, good, output
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
	return string(out)
}
