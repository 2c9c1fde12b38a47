package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Environment names the variable with the URL of a server that tests use instead of starting one.
const Environment = "SESSILE_POSTGRES_URL"

// Shared is the server that the tests of one package share.
type Shared struct {
	url    string
	server *Server
	serial atomic.Int64
}

// Share starts the shared server, or takes that of the environment.
func Share() (*Shared, error) {
	if url := os.Getenv(Environment); url != "" {
		return &Shared{url: url}, nil
	}
	s, err := Start()
	if err != nil {
		return nil, err
	}
	return &Shared{url: s.URL(), server: s}, nil
}

// URL leads to the server.
func (s *Shared) URL() string { return s.url }

// Stop ends the server, if Share started it.
func (s *Shared) Stop() {
	if s.server != nil {
		s.server.Stop()
	}
}

// Schema names a schema that does not exist, and drops it after the test.
func (s *Shared) Schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("sessile_test_%d_%d", os.Getpid(), s.serial.Add(1))
	t.Cleanup(func() {
		if _, err := s.connect(t).Exec(context.Background(), `DROP SCHEMA IF EXISTS `+name+` CASCADE`); err != nil {
			t.Errorf("dropping %s: %v", name, err)
		}
	})
	return name
}

// Exec runs statements on the shared server.
func (s *Shared) Exec(t testing.TB, statements ...string) {
	t.Helper()
	c := s.connect(t)
	for _, x := range statements {
		if _, err := c.Exec(context.Background(), x); err != nil {
			t.Fatalf("%s: %v", x, err)
		}
	}
}

func (s *Shared) connect(t testing.TB) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), s.url)
	if err != nil {
		t.Fatalf("connecting to PostgreSQL: %v", err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}
