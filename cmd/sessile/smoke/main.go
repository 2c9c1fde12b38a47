// Smoke tests the demo from outside, as its users and its operator would. It builds the command,
// starts it over a new SQLite file, logs in from several devices over HTTP, kills it with SIGKILL,
// starts it again and checks what survived. It only uses the demo's flags and its JSON API.
//
// With -nodes it does so with two nodes over a PostgreSQL server of its own. It kills a node and the
// server, and stalls the connection on which a node hears of the other's changes.
//
//	go run ./smoke            # prints one line per step; the last is "smoke: N steps passed"
//	go run ./smoke -nodes     # the same for two nodes
//	go run ./smoke -control   # negative control: expects a refusal that must not happen, and fails
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sessile/sessile/cmd/sessile/internal/cluster"
)

// wait is the timeout of everything that this program waits for.
const wait = 15 * time.Second

func main() {
	control := flag.Bool("control", false, "negative control: expect a live cookie to be refused; must exit with 1")
	nodes := flag.Bool("nodes", false, "test two nodes over PostgreSQL")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := smoke(ctx, *nodes, *control); err != nil {
		fmt.Fprintln(os.Stderr, "smoke: FAILED:", err)
		os.Exit(1)
	}
}

// smoke builds the command in a temporary directory and runs the steps.
func smoke(ctx context.Context, nodes, control bool) error {
	dir, err := os.MkdirTemp("", "sessile-smoke-")
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	binary, err := cluster.Build(dir)
	if err != nil {
		return err
	}
	if nodes {
		return smokeNodes(ctx, binary, control)
	}
	return smokeFile(ctx, binary, filepath.Join(dir, "smoke.db"), control)
}

// batchInterval is the demo's batch interval. It is long enough for a kill to hit a change that is
// not on disk yet.
const batchInterval = 250 * time.Millisecond

// run is one pass over the steps, together with the server process.
type run struct {
	*cluster.Process
	ctx context.Context // of the whole program
	db  string
	bin string // the command
}

// smokeFile runs the steps of one process over a SQLite file.
func smokeFile(ctx context.Context, binary, db string, control bool) error {
	j := &journey{run: &run{cluster.NewProcess(binary, "-db", db, "-store.batch_interval", batchInterval.String()), ctx, db, binary}}
	defer j.Kill()
	steps := j.steps()
	if control {
		steps[12] = step{"CONTROL: the live cookie is refused (must fail)", j.control}
	}
	if err := play(steps); err != nil {
		return fmt.Errorf("%w\n--- the demo's log\n%s", err, j.Log())
	}
	return nil
}

// step is a part of a journey.
type step struct {
	says string
	do   func() error
}

// play runs the steps and prints a line for each that passed.
func play(steps []step) error {
	for i, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("step %d: %s: %w", i+1, s.says, err)
		}
		fmt.Printf("%2d  %s\n", i+1, s.says)
	}
	fmt.Printf("smoke: %d steps passed\n", len(steps))
	return nil
}
