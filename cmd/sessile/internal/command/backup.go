package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

// errNoFile means that a verb about a file was used with a database.
var errNoFile = fmt.Errorf("%w: this is for session files: use the tools of PostgreSQL for a database", errUsage)

func (a *app) backup() *cobra.Command {
	return &cobra.Command{
		Use: "backup [FILE]", Short: "Write a checked copy of the store, also while it runs", GroupID: groupFile,
		Long: `Writes a consistent copy to FILE, which must not exist, and checks its
integrity. The copy has everything that was acknowledged before, and mode 0600.
Without FILE its name has the time and it is in the current directory.

If the store runs, the store writes the file: it must be able to write there.`,
		Args: arguments(0, 1, "at most one file"),
		RunE: func(c *cobra.Command, args []string) error {
			if a.target.Database != "" {
				return errNoFile
			}
			name := time.Now().UTC().Format("sessile-20060102T150405Z.db")
			if len(args) > 0 {
				name = args[0]
			}
			path, err := filepath.Abs(name)
			if err != nil {
				return fmt.Errorf("finding %s: %w", name, err)
			}
			return a.with(c.Context(), func(store *control.Client) error {
				p := a.Start("Writing the backup", a.growth(filepath.Dir(path)))
				o, err := store.Backup(c.Context(), path)
				p.Stop()
				switch {
				case err != nil:
					return fmt.Errorf("backing up to %s: %w", path, err)
				case a.output == "json":
					return a.printJSON(o)
				case a.quiet:
					fmt.Fprintln(a.Out, terminal.Quote(path))
				}
				a.say("The backup %s has %s.", terminal.Quote(path), size(o.Bytes))
				return nil
			})
		},
	}
}

// growth returns the share of the file's size that an unfinished copy in a directory has reached.
func (a *app) growth(dir string) func() float64 {
	whole, err := os.Stat(a.target.File)
	return func() float64 {
		names, _ := filepath.Glob(filepath.Join(dir, "*.partial*"))
		for _, name := range names {
			if part, failed := os.Stat(name); failed == nil && err == nil && whole.Size() > 0 {
				return float64(part.Size()) / float64(whole.Size())
			}
		}
		return -1
	}
}

// restoration says what a restore ends.
type restoration struct {
	revived, yes bool
	since        string
}

func (a *app) restore() *cobra.Command {
	var v restoration
	c := &cobra.Command{
		Use: "restore BACKUP", Short: "Replace the file by a backup, while no store runs", GroupID: groupFile,
		Long: `Replaces the session file by a copy of BACKUP. It says first what that brings
back and what it loses, and asks. The old file is kept under another name. A
kill or a power cut leaves the old file or the new one.

A backup does not know what was logged out since it was made: those sessions are
valid again. Two flags end sessions in the copy, before anybody can use it.`,
		Example: "  sessile restore nightly.db                   # says what it would do, and asks\n  sessile restore nightly.db --revoke-revived --yes\n  sessile restore nightly.db --revoke-since 72h",
		Args:    arguments(1, 1, "the file of a backup"),
		RunE:    func(c *cobra.Command, args []string) error { return a.runRestore(c.Context(), args[0], v) },
	}
	c.Flags().BoolVar(&v.revived, "revoke-revived", false, "end the sessions that had ended since the backup, and those that had a new token")
	c.Flags().StringVar(&v.since, "revoke-since", "", "end the sessions whose last access in the backup is not older: `time` (72h, 2026-01-31, 2026-01-31T08:00:00Z)")
	c.Flags().BoolVarP(&v.yes, "yes", "y", false, "do not ask")
	return c
}

func (a *app) runRestore(ctx context.Context, backup string, v restoration) error {
	if a.target.Database != "" || a.target.Socket != "" {
		return fmt.Errorf("%w (restore needs --db)", errNoFile)
	}
	o := sessile.RestoreOptions{EndRevived: v.revived}
	var err error
	if o.EndSince, err = parseTime(v.since, time.Now()); err != nil {
		return err
	}
	if err := a.mustBeStopped(ctx); err != nil {
		return err
	}
	p := a.Start("Checking the backup", nil)
	asked, answer := false, error(nil)
	o.Confirm = func(r sessile.RestoreReport) error {
		p.Stop()
		asked = true
		a.note("%s", restoreText(r, v, time.Now()))
		if v.yes {
			return nil
		}
		answer = a.Confirm(ctx, "Replace "+terminal.Quote(a.target.File)+"?", "yes")
		return answer
	}
	r, err := sessile.RestoreWith(ctx, backup, a.target.File, o)
	if !asked {
		p.Stop()
	}
	switch {
	case answer != nil:
		return answer
	case err != nil:
		return err
	}
	return a.printRestored(r)
}

// mustBeStopped returns an error if a store runs, or if the file belongs to another user.
func (a *app) mustBeStopped(ctx context.Context) error {
	store, err := a.target.Dial(ctx)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("%w: a store runs with this file (socket %s): stop it first", sessile.ErrLocked, store.Socket), store.Close())
	case !errors.Is(err, control.ErrNotRunning):
		return err
	}
	if err := control.CheckOwner(a.target.File); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// parseTime reads a time: a duration before now, a date or an RFC 3339 time. "" is the zero time.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usageError("%s is no time: write 72h, 2026-01-31 or 2026-01-31T08:00:00Z", terminal.Quote(s))
}
