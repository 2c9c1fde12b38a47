// Package postgrestest starts real PostgreSQL servers for tests and demos: each with a data directory of its own, on a free port of
// 127.0.0.1, as an unprivileged user where the tests run as root. A server can be the standby of another. A proxy stalls, cuts and
// freezes connections.
//
// It needs the server's programs. On Debian: apt-get install postgresql.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Password is that of the role postgres of every server.
const Password = "correct-horse-battery-staple"

// Server is a running PostgreSQL server.
type Server struct {
	bin, dir string
	port     int
	settings []string
	detached bool
	cmd      *exec.Cmd
	ended    chan struct{} // closed when the server has ended
}

// Start makes a data directory and starts a server on it. settings are such as "max_connections=10". The caller ends it with Stop.
// The error is ErrNotInstalled if the server's programs are missing.
func Start(settings ...string) (*Server, error) { return start(false, settings, (*Server).initialize) }

// StartDetached is Start, in a process group of its own: Ctrl-C in a terminal does not reach the server.
func StartDetached(settings ...string) (*Server, error) {
	return start(true, settings, (*Server).initialize)
}

// start starts a server on the data directory that fill makes.
func start(detached bool, settings []string, fill func(*Server) error) (*Server, error) {
	bin, err := findPrograms("postgres", "initdb")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sessile-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, settings: settings, detached: detached}
	if s.port, err = freePort(); err == nil {
		err = errors.Join(unprivileged(dir), fill(s))
	}
	if err == nil {
		err = s.Restart()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// initialize runs initdb.
func (s *Server) initialize() error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o600); err != nil {
		return err
	}
	if err := unprivileged(secret); err != nil {
		return err
	}
	cmd := command(s.dir, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "password", // costs the client nothing
		"--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// URL leads to the database postgres as the role postgres.
func (s *Server) URL() string { return URL(s.Addr()) }

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL leads to the database postgres at another address, such as a proxy's.
func URL(addr string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", Password), Host: addr, Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Restart starts the server, on the port that it had, after Kill or Shutdown, and returns when it answers.
func (s *Server) Restart() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		if err := s.launch(); err != nil {
			return err
		}
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil { // else what a kill left behind is still on its way out
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the server does not start: %w\n%s", err, log)
		}
	}
}

func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", s.dir}
	for _, x := range append([]string{"fsync=off", "shared_buffers=32MB", "deadlock_timeout=200ms"}, s.settings...) {
		args = append(args, "-c", x)
	}
	s.cmd = command(s.dir, filepath.Join(s.bin, "postgres"), args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if s.detached {
		Detach(s.cmd)
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // the log says why
		close(ended)
	}(s.cmd, s.ended)
	return nil
}

// ready waits until the server takes connections, or has ended.
func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-s.ended:
			return errors.New("it has ended")
		}
	}
}

// Kill ends the server with SIGKILL. On Linux it ends every process of the server, as the kernel does that runs out of memory.
// Elsewhere the others end by themselves when they notice that the first one is gone.
func (s *Server) Kill() {
	killChildren(s.cmd.Process)
	s.signal(syscall.SIGKILL)
}

// Ended reports whether the server's process has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Shutdown ends the server as an operator does.
func (s *Server) Shutdown() { s.signal(syscall.SIGINT) }

func (s *Server) signal(sig os.Signal) {
	_ = s.cmd.Process.Signal(sig)
	<-s.ended
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	s.signal(syscall.SIGQUIT)
	_ = os.RemoveAll(s.dir)
}

// Exec runs statements as the role postgres.
func (s *Server) Exec(ctx context.Context, statements ...string) error {
	c, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, x := range statements {
		if _, err := c.Exec(ctx, x); err != nil {
			return fmt.Errorf("%s: %w", x, err)
		}
	}
	return nil
}

func freePort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:errcheck,forcetypeassert // it is a TCP listener
}
