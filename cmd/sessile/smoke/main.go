// Smoke tests the demo from outside, as its users and its operator would. It builds the command,
// starts it over a new SQLite file, logs in from several devices over HTTP, kills it with SIGKILL,
// starts it again and checks what survived. It only uses the demo's flags and its JSON API.
//
//	go run ./smoke            # prints one line per step; the last is "smoke: N steps passed"
//	go run ./smoke -control   # negative control: expects a refusal that must not happen, and fails
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// wait is the timeout of everything that this program waits for.
const wait = 15 * time.Second

func main() {
	control := flag.Bool("control", false, "negative control: expect a live cookie to be refused; must exit with 1")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := smoke(ctx, *control); err != nil {
		fmt.Fprintln(os.Stderr, "smoke: FAILED:", err)
		os.Exit(1)
	}
}

// smoke builds the command in a temporary directory and runs the steps.
func smoke(ctx context.Context, control bool) error {
	dir, err := os.MkdirTemp("", "sessile-smoke-")
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)

	binary := filepath.Join(dir, "sessile")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/sessile/sessile/cmd/sessile")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the command: %w", err)
	}

	r := &run{ctx: ctx, binary: binary, db: filepath.Join(dir, "smoke.db")}
	defer r.kill()
	if err := r.steps(control); err != nil {
		return fmt.Errorf("step %d: %w%s", r.passed+1, err, r.tail())
	}
	fmt.Printf("smoke: %d steps passed\n", r.passed)
	return nil
}
