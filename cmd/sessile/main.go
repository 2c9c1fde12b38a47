// Sessile is the command that comes with the library. Its one subcommand, demo, runs a small
// web shop that uses Sessile. The table in [commands] lists the subcommands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sessile/sessile/cmd/sessile/internal/demo"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is a subcommand. run gets the arguments after its name.
type command struct {
	name, summary string
	run           func(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"demo", demo.Summary, demo.Run},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the handler is removed, so that a second signal kills a hung shutdown.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run runs the subcommand that args name and returns the exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return exitCode(c.run(ctx, args[1:], environ, stdout, stderr), stderr)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(stdout)
		return exitOK
	}
	fmt.Fprintf(stderr, "sessile: unknown command %q\n\n", args[0])
	usage(stderr)
	return exitUsage
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, settings.ErrInvalid):
		fmt.Fprintln(stderr, "sessile:", err)
		return exitUsage
	default:
		fmt.Fprintln(stderr, "sessile:", err)
		return exitFailed
	}
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: sessile <command> [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nRun \"sessile <command> -h\" for its flags.\n")
}
