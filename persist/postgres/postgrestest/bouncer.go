package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Bouncer is a running PgBouncer in transaction mode, with fewer connections than its clients have.
type Bouncer struct {
	dir  string
	port int
	cmd  *exec.Cmd
}

const bouncerConfig = `[databases]
postgres = host=127.0.0.1 port=%d user=postgres password=%s pool_size=3
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
logfile = %s
`

// StartBouncer starts PgBouncer in front of s.
func StartBouncer(s *Server) (*Bouncer, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if !executable(program) {
		return nil, fmt.Errorf("PgBouncer: %w (Debian: apt-get install pgbouncer)", ErrNotInstalled)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sessile-pgbouncer-")
	if err != nil {
		return nil, err
	}
	b := &Bouncer{dir: dir, port: port}
	file := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(bouncerConfig, s.port, Password, port, filepath.Join(dir, "log"))
	err = errors.Join(os.WriteFile(file, []byte(text), 0o600), unprivileged(dir), unprivileged(file))
	if err == nil {
		b.cmd = command(dir, program, "-q", file)
		err = b.cmd.Start()
	}
	if err == nil {
		err = b.ready()
	}
	if err != nil {
		b.Stop()
		return nil, err
	}
	return b, nil
}

// URL leads through the bouncer to the database postgres.
func (b *Bouncer) URL() string {
	return URL(net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)))
}

// ready waits until it takes connections.
func (b *Bouncer) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, b.URL())
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
			return fmt.Errorf("PgBouncer does not start: %w\n%s", err, log)
		}
	}
}

// Stop ends it.
func (b *Bouncer) Stop() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Process.Signal(syscall.SIGTERM)
		_ = b.cmd.Wait()
	}
	_ = os.RemoveAll(b.dir)
}
