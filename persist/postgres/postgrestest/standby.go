package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Standby is the name of every standby in synchronous_standby_names.
const Standby = "standby"

// StartStandby copies the server at an address and starts the copy as its standby, which the caller ends with Stop.
func StartStandby(of string, settings ...string) (*Server, error) {
	return start(false, settings, func(s *Server) error { return s.copyOf(of) })
}

// Follow makes a server that has ended the standby of the server at an address, and starts it on the port that it had. Its data
// is replaced.
func (s *Server) Follow(addr string) error {
	if err := errors.Join(os.RemoveAll(s.data()), s.copyOf(addr)); err != nil {
		return err
	}
	return s.Restart()
}

// copyOf fills the data directory with a base backup that follows its server.
func (s *Server) copyOf(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address of the server to follow: %w", err)
	}
	from := fmt.Sprintf("host=%s port=%s user=postgres password=%s application_name=%s", host, port, Password, Standby)
	cmd := command(s.dir, filepath.Join(s.bin, "pg_basebackup"), "-D", s.data(), "-d", from, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	return nil
}

// Promote makes a standby a primary. It returns when the server takes writes.
func (s *Server) Promote(ctx context.Context) error {
	return s.Exec(ctx, `SELECT pg_promote(wait => true)`)
}
