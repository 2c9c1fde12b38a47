// Smoke drives the demo from outside, as its users and its operator do: it builds
// the command, starts it over a fresh SQLite file, logs in from several devices
// over HTTP, kills it with -9, starts it again and looks at what is left. It knows
// nothing of the demo but its flags and its JSON.
//
//	go run ./smoke            # prints a line per step, ends with "smoke: N steps passed"
//	go run ./smoke -control   # looks for a refusal that must not happen: has to fail
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

// wait bounds everything that this program waits for.
const wait = 15 * time.Second

func main() {
	control := flag.Bool("control", false, "expect a live cookie to be refused: shows that a failure is noticed, and must exit with 1")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := smoke(ctx, *control); err != nil {
		fmt.Fprintln(os.Stderr, "smoke: FAILED:", err)
		os.Exit(1)
	}
}

// smoke builds the command in a directory of its own and runs the steps.
func smoke(ctx context.Context, control bool) error {
	dir, err := os.MkdirTemp("", "sessile-smoke-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
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
