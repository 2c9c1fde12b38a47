package postgrestest

import (
	"errors"
	"testing"
)

func TestProgramsThatAreMissingAreNotInstalled(t *testing.T) {
	if _, err := findPrograms("postgres", "sessile-has-no-such-program"); !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("findPrograms: %v, want ErrNotInstalled", err)
	}
}

// A test that skips then would hide a server that does not start.
func TestServerThatDoesNotStartIsInstalled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	s, err := Start()
	if err == nil {
		s.Stop()
		t.Fatal("it starts")
	}
	if errors.Is(err, ErrNotInstalled) {
		t.Fatalf("Start: %v, and it is installed", err)
	}
}
