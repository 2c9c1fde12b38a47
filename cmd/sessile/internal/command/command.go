// Package command is the command line of Sessile: its verbs, what they print, and their exit codes. A
// verb asks the store that runs, or opens the file if none runs; package control decides which.
package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

// Exit codes. The help topic exit-codes documents them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitUnreachable = 4
	exitDeclined    = 5
	exitUnhealthy   = 6
)

// Errors with an exit code of their own.
var (
	errUsage     = errors.New("usage")
	errUnhealthy = errors.New("the doctor found a problem")

	errInterrupted = errors.New("interrupted") // by a signal
)

// app is one run of the command.
type app struct {
	terminal.Streams
	environ []string
	target  control.Target
	output  string // table or json
	quiet   bool
}

// Main runs the command of this process and returns its exit code. SIGINT and SIGTERM cancel it.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the handler is removed, so that a second signal kills a hung shutdown.
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Environ(), terminal.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

// Run runs the command and returns its exit code.
func Run(ctx context.Context, args, environ []string, streams terminal.Streams) int {
	a := &app{Streams: streams, environ: environ}
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean those of the process
	err := root.ExecuteContext(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errInterrupted
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(a.Err, "sessile:", terminal.Clean(message(err)))
	}
	return exitCode(err)
}

// message returns the text of an error.
func message(err error) string {
	return strings.TrimPrefix(err.Error(), errUsage.Error()+": ")
}

func exitCode(err error) int {
	is := func(targets ...error) bool {
		for _, e := range targets {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil, is(flag.ErrHelp):
		return exitOK
	case is(errUsage, settings.ErrInvalid, control.ErrInvalid):
		return exitUsage
	case is(control.ErrNotFound):
		return exitNotFound
	case is(terminal.ErrDeclined):
		return exitDeclined
	case is(errUnhealthy):
		return exitUnhealthy
	case is(control.ErrNotRunning, control.ErrUnreachable, control.ErrOtherOwner, sessile.ErrLocked):
		return exitUnreachable
	default:
		return exitFailed
	}
}

func usageError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errUsage, fmt.Errorf(format, args...))
}

// The groups of the help text.
const (
	groupSee   = "see"
	groupEnd   = "end"
	groupFile  = "file"
	groupOther = "other"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sessile",
		Short: "Administers a session store, and runs the demo",
		Long: `Administers a session store.

If the store runs, the command talks to it over the Unix socket beside its file
(sessile.db.sock). If no store runs, the command opens the file itself.`,
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 2,
		Args: func(c *cobra.Command, args []string) error { return unknownCommand(c, args) },
		RunE: func(c *cobra.Command, _ []string) error {
			c.SetOut(a.Err)
			return errors.Join(c.Help(), fmt.Errorf("%w: name a command", errUsage))
		},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", a.helpWidth())))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%w (see %s --help)", err, c.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: groupSee, Title: "Look at a store:"},
		&cobra.Group{ID: groupEnd, Title: "End sessions:"},
		&cobra.Group{ID: groupFile, Title: "Look after the file:"},
		&cobra.Group{ID: groupOther, Title: "Other commands:"},
	)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	a.addFlags(root)
	root.AddCommand(
		a.list(), a.show(), a.stats(), a.top(), a.revoke(), a.cleanup(),
		a.backup(), a.restore(), a.doctor(), a.migrate(), a.demo(), exitCodes(),
	)
	return root
}

// helpWidth returns the width of the help text, in columns.
func (a *app) helpWidth() int {
	const usual, least = 80, 40
	if width := terminal.Width(a.Out); width > 0 {
		return max(least, min(width, usual))
	}
	return usual
}

// addFlags adds the flags that every verb has.
func (a *app) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.target.File, "db", cmp.Or(a.variable("SESSILE_STORE_PATH"), "sessile.db"), "store `file`, or SESSILE_STORE_PATH")
	f.StringVar(&a.target.Socket, "socket", a.variable("SESSILE_SOCKET"), "socket `path`, or SESSILE_SOCKET (default FILE.sock)")
	f.StringVarP(&a.output, "output", "o", "table", "`format`: table or json")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print only what a script needs, such as IDs")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if a.output != "table" && a.output != "json" {
			return usageError("the output %q is neither table nor json", a.output)
		}
		if !c.Flags().Changed("db") && !c.Flags().Changed("socket") {
			a.target.Database = a.variable("SESSILE_DATABASE")
		}
		return nil
	}
}

// variable returns the value of an environment variable.
func (a *app) variable(name string) string {
	for _, pair := range a.environ {
		if n, value, _ := strings.Cut(pair, "="); n == name {
			return value
		}
	}
	return ""
}

func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(". Did you mean %s?", near[0])
	}
	return usageError("unknown command %q%s (see sessile help)", args[0], hint)
}

// arguments returns a check of the number of arguments.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usageError("%s takes %s, not %d arguments", c.CommandPath(), what, len(args))
		}
		return nil
	}
}

// with opens the store, runs do, and closes it.
func (a *app) with(ctx context.Context, do func(*control.Client) error) error {
	c, err := a.target.Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(c), c.Close())
}

// printJSON prints v with indentation.
func (a *app) printJSON(v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err = a.Out.Write(append(terminal.CleanJSON(raw), '\n'))
	return err
}

// say prints a line for people. It prints nothing with -q or -o json.
func (a *app) say(format string, args ...any) {
	if !a.quiet && a.output == "table" {
		fmt.Fprintf(a.Out, format+"\n", args...)
	}
}

// note prints a remark to stderr, unless -q is set.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.Err, format+"\n", args...)
	}
}
