package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync"
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
	mu     sync.Mutex
	conn   *pgx.Conn // of Exec, nil before its first
}

// Share starts the shared server, or takes that of the environment.
func Share() (*Shared, error) {
	if url := os.Getenv(Environment); url != "" {
		return &Shared{url: url}, nil
	}
	s, err := Start("max_locks_per_transaction=10") // the least: a store must not need many
	if err != nil {
		return nil, err
	}
	return &Shared{url: s.URL(), server: s}, nil
}

// URL leads to the server.
func (s *Shared) URL() string { return s.url }

// Stop ends the server, if Share started it.
func (s *Shared) Stop() {
	if s.conn != nil {
		_ = s.conn.Close(context.Background())
	}
	if s.server != nil {
		s.server.Stop()
	}
}

// Schema names a schema that does not exist, and drops it after the test.
func (s *Shared) Schema(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("sessile_test_%d_%d", os.Getpid(), s.serial.Add(1))
	t.Cleanup(func() { s.Exec(t, `DROP SCHEMA IF EXISTS `+name+` CASCADE`) })
	return name
}

// Exec runs statements on the shared server.
func (s *Shared) Exec(t testing.TB, statements ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		c, err := pgx.Connect(context.Background(), s.url)
		if err != nil {
			t.Fatalf("connecting to PostgreSQL: %v", err)
		}
		s.conn = c
	}
	for _, x := range statements {
		if _, err := s.conn.Exec(context.Background(), x); err != nil {
			t.Fatalf("%s: %v", x, err)
		}
	}
}
