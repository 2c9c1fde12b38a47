package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/demo"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
	"github.com/sessile/sessile/persist/sqlite"
)

func (a *app) migrate() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "migrate", Short: "Migrate the file, or the database, to this version's schema", GroupID: groupFile,
		Long: `Migrates the schema of the session file, as the next store that opens it would.
No store may run meanwhile. With SESSILE_DATABASE it creates the schema in that
PostgreSQL database, or brings it up to date. A program with an older version of
Sessile cannot open the store afterwards.`,
		Args: arguments(0, 0, "no arguments"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if a.target.Socket != "" {
				return fmt.Errorf("%w (migrate needs --db)", errNoFile)
			}
			if a.target.Database != "" {
				return a.migrateDatabase(c.Context(), yes)
			}
			if err := control.CheckOwner(a.target.File); err != nil {
				return err
			}
			have, newest, err := sqlite.Schema(a.target.File)
			if err != nil {
				return err
			}
			if have == newest {
				return a.printSchema(have, newest)
			}
			if err := a.mustBeStopped(c.Context()); err != nil {
				return err
			}
			if !yes {
				question := fmt.Sprintf("Migrate %s from schema %d to %d? Older programs cannot open it then.", terminal.Quote(a.target.File), have, newest)
				if err := a.Confirm(c.Context(), question, "yes"); err != nil {
					return err
				}
			}
			a.target.Migrate = true
			p := a.Start("Migrating", nil)
			err = a.with(c.Context(), func(*control.Client) error { return nil })
			p.Stop()
			if err != nil {
				return err
			}
			return a.printSchema(have, newest)
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) migrateDatabase(ctx context.Context, yes bool) error {
	if !yes {
		question := "Create the schema in the database, or bring it up to date? Older programs cannot use it then."
		if err := a.Confirm(ctx, question, "yes"); err != nil {
			return err
		}
	}
	if err := a.target.MigrateDatabase(ctx); err != nil {
		return err
	}
	a.say("The database has the newest schema.")
	return nil
}

func (a *app) printSchema(before, after int) error {
	switch {
	case a.output == "json":
		return a.printJSON(map[string]int{"before": before, "after": after})
	case before == after:
		a.say("The file has schema %d already.", after)
	default:
		a.say("The file had schema %d, and has schema %d now.", before, after)
	}
	return nil
}

// demo passes its arguments on: its flags are the settings of the demo, with one hyphen or two.
func (a *app) demo() *cobra.Command {
	c := &cobra.Command{
		Use: "demo [flags]", Short: demo.Summary, GroupID: groupOther,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		PersistentPreRunE:  func(*cobra.Command, []string) error { return nil },
		RunE: func(c *cobra.Command, args []string) error {
			return demo.Run(c.Context(), args, a.environ, a.Out, a.Err)
		},
	}
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		_ = demo.Run(c.Context(), []string{"-h"}, a.environ, a.Out, a.Out) // it returns flag.ErrHelp
	})
	return c
}

// exitCodes is a page of the help.
func exitCodes() *cobra.Command {
	return &cobra.Command{
		Use: "exit-codes", Short: "What the exit codes mean",
		Long: `Exit codes:

  0  Done.
  1  It failed. The message says why.
  2  The command line or a setting is wrong. Nothing was done.
  3  A session does not exist. revoke has ended the others that were named.
  4  The store cannot be asked: another process has the file open without an
     admin socket, another user owns it, or a verb needs a store that runs
     (top), or one that does not (restore, migrate).
  5  The question was not answered with yes, or nobody could be asked. Nothing
     was done.
  6  The doctor found a failure.`,
	}
}
