package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// batchInterval is the demo's batch interval. It is long enough for a kill to hit a change that is
// not on disk yet.
const batchInterval = 250 * time.Millisecond

// run is one pass over the steps, together with the server process.
type run struct {
	ctx        context.Context // of the whole program, for its child processes
	binary, db string
	passed     int

	cmd  *exec.Cmd
	done chan error // receives the exit of the process
	url  string
	log  *logTail
}

// start starts the demo and returns once it listens.
func (r *run) start() error {
	cmd := exec.CommandContext(r.ctx, r.binary, "demo", "-addr", "127.0.0.1:0", "-db", r.db,
		"-store.batch_interval", batchInterval.String())
	cmd.Env = withoutSettings(os.Environ())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("piping the demo's output: %w", err)
	}
	r.log = &logTail{}
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the demo: %w", err)
	}
	address, done := make(chan string, 1), make(chan error, 1)
	r.cmd, r.done = cmd, done
	go func() {
		read(out, address)
		done <- cmd.Wait()
	}()

	select {
	case r.url = <-address:
		return nil
	case err := <-done:
		done <- err
		return fmt.Errorf("the demo ended before it listened: %w", errors.Join(err, io.ErrUnexpectedEOF))
	case <-time.After(wait):
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
	io.Copy(io.Discard, out)
}

// kill kills the demo with SIGKILL, so that none of its handlers runs.
func (r *run) kill() {
	if r.cmd == nil {
		return
	}
	r.cmd.Process.Kill()
	<-r.done
	r.cmd = nil
}

// terminate sends SIGTERM and returns how the demo ended.
func (r *run) terminate() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("sending SIGTERM: %w", err)
	}
	select {
	case err := <-r.done:
		r.cmd = nil
		if err != nil {
			return fmt.Errorf("the demo did not end cleanly: %w", err)
		}
		return nil
	case <-time.After(wait):
		return errors.New("the demo did not stop after SIGTERM")
	}
}

// tail returns the end of the demo's log, for a failure message.
func (r *run) tail() string {
	if r.log == nil {
		return ""
	}
	return "\n--- the demo's log\n" + r.log.String()
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
