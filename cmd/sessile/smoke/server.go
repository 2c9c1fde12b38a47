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

// batchInterval is what the demo is started with: long enough that a kill may
// catch a change that is not yet on disk.
const batchInterval = 250 * time.Millisecond

// run is one pass over the steps, and the server that is up meanwhile.
type run struct {
	ctx        context.Context // of the whole program, for the processes it starts
	binary, db string
	passed     int

	cmd  *exec.Cmd
	done chan error // the process's end
	url  string
	log  *logTail
}

// start starts the demo and returns when it listens.
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
		return errors.New("the demo does not listen")
	}
}

// read copies nothing: it looks for the address and drains the rest.
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

// kill ends the demo with SIGKILL: no handler of its own runs.
func (r *run) kill() {
	if r.cmd == nil {
		return
	}
	r.cmd.Process.Kill()
	<-r.done
	r.cmd = nil
}

// terminate asks the demo to end, and returns how it did.
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
		return errors.New("the demo does not end after SIGTERM")
	}
}

// tail is the end of the demo's log, to go with a failure.
func (r *run) tail() string {
	if r.log == nil {
		return ""
	}
	return "\n--- the demo's log\n" + r.log.String()
}

// withoutSettings keeps the caller's own SESSILE_ variables from the demo.
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
