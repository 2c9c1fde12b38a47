// Package cluster runs the demo as child processes: one over a SQLite file, or several nodes over a
// PostgreSQL server of its own, behind a load balancer.
package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// wait is how long a process may take to start or to stop.
const wait = 15 * time.Second

// Process is a demo in a process of its own. Its methods are not safe for concurrent use.
type Process struct {
	binary   string
	args     []string
	environ  []string
	detached bool
	cmd      *exec.Cmd
	done     chan error // receives the exit of the process
	url      string
	log      *logTail
}

// NewProcess returns a demo with those flags that has not started.
func NewProcess(binary string, args ...string) *Process {
	return &Process{binary: binary, args: args, log: &logTail{}}
}

// URL is where the demo listens. It is "" before the first start.
func (p *Process) URL() string { return p.url }

// PID is the process ID of a demo that runs.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns the end of the demo's log.
func (p *Process) Log() string { return p.log.String() }

// Start starts the demo and returns once it listens: at first on a free port, and later on the one that
// it had.
func (p *Process) Start() error {
	addr := "127.0.0.1:0"
	if u, err := url.Parse(p.url); err == nil && p.url != "" {
		addr = u.Host
	}
	cmd := exec.Command(p.binary, append([]string{"demo", "-addr", addr}, p.args...)...) //nolint:noctx // Kill ends it
	cmd.Env = append(withoutSettings(os.Environ()), p.environ...)
	if p.detached {
		postgrestest.Detach(cmd)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("piping the demo's output: %w", err)
	}
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the demo: %w", err)
	}
	address, done := make(chan string, 1), make(chan error, 1)
	p.cmd, p.done = cmd, done
	go func() {
		read(out, address)
		done <- cmd.Wait()
	}()

	select {
	case p.url = <-address:
		return nil
	case err := <-done:
		p.cmd = nil
		return fmt.Errorf("the demo ended before it listened: %w", errors.Join(err, io.ErrUnexpectedEOF))
	case <-time.After(wait):
		p.Kill()
		return errors.New("the demo did not start listening")
	}
}

// read scans the output for the address and discards the rest.
func read(out io.Reader, address chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			address <- url
			break
		}
	}
	_, _ = io.Copy(io.Discard, out)
}

// Kill kills the demo with SIGKILL, so that none of its handlers runs. It does nothing if the demo does
// not run.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	p.cmd = nil
	<-p.done //nolint:errcheck // it was killed
}

// Terminate sends SIGTERM and returns how the demo ended.
func (p *Process) Terminate() error {
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("sending SIGTERM: %w", err)
	}
	select {
	case err := <-p.done:
		p.cmd = nil
		if err != nil {
			return fmt.Errorf("the demo did not end cleanly: %w", err)
		}
		return nil
	case <-time.After(wait):
		return errors.New("the demo did not stop after SIGTERM")
	}
}

// withoutSettings removes the SESSILE_ variables, so that they do not reach the demo.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, pair := range environ {
		if !strings.HasPrefix(pair, "SESSILE_") {
			kept = append(kept, pair)
		}
	}
	return kept
}

// logTail keeps the last bytes written to it.
type logTail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *logTail) Write(p []byte) (int, error) {
	const kept = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if extra := t.buf.Len() - kept; extra > 0 {
		t.buf.Next(extra)
	}
	return len(p), nil
}

func (t *logTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
