package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

// revocation says which sessions end.
type revocation struct {
	user, except string
	all, yes     bool
}

func (a *app) revoke() *cobra.Command {
	var v revocation
	c := &cobra.Command{
		Use: "revoke [ID...]", Short: "End sessions: by ID, of a user, or all", GroupID: groupEnd,
		Long: `Ends sessions. A device is logged out at its next request, and the session
cannot come back. The command returns when that is on disk.

It asks before it ends anything, and needs --yes if its input is not a terminal.`,
		Example: "  sessile revoke 01JY5TZX3PQ0R1S2T3V4W5X6Y7\n  sessile revoke --user alice --yes\n  sessile list --ip 192.0.2.7 -q | xargs sessile revoke --yes",
		Args:    func(_ *cobra.Command, args []string) error { return v.check(args) }, ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), func(store *control.Client) error {
				switch {
				case v.all:
					return a.revokeAll(c.Context(), store, v)
				case v.user != "":
					return a.revokeUser(c.Context(), store, v)
				default:
					return a.revokeIDs(c.Context(), store, args, v)
				}
			})
		},
	}
	c.Flags().StringVar(&v.user, "user", "", "end all sessions of this user `ID`")
	c.Flags().StringVar(&v.except, "except", "", "with --user: keep the session with this `ID`")
	c.Flags().BoolVar(&v.all, "all", false, "end every session of every user and guest")
	c.Flags().BoolVarP(&v.yes, "yes", "y", false, "do not ask")
	return c
}

// check makes sure that the command line names one kind of target.
func (v revocation) check(args []string) error {
	kinds := 0
	for _, given := range []bool{len(args) > 0, v.user != "", v.all} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return usageError("sessile revoke needs either the IDs of sessions, --user or --all")
	case v.except != "" && v.user == "":
		return usageError("--except needs --user")
	case v.except != "":
		args = []string{v.except}
	}
	return checkIDs(args)
}

func (a *app) revokeIDs(ctx context.Context, store *control.Client, ids []string, v revocation) error {
	if !v.yes {
		var known int
		for _, id := range ids {
			raw, err := store.Show(ctx, id)
			if err != nil {
				fmt.Fprintf(a.Err, "  %s\n", hang(id+"  "+terminal.Clean(err.Error()), 4, terminal.Width(a.Err)))
				continue
			}
			d, err := control.ParseDetail(raw)
			if err != nil {
				return err
			}
			known++
			s := d.Session
			text := fmt.Sprintf("%s  %s, %s from %s, active %s", terminal.Quote(s.ID), terminal.Quote(s.UserID),
				terminal.Quote(s.DeviceName), terminal.Quote(s.IPAddress), when(s.LastActiveAt, time.Now()))
			fmt.Fprintf(a.Err, "  %s\n", hang(text, 4, terminal.Width(a.Err)))
		}
		if known > 0 {
			if err := a.Confirm(ctx, "End "+sessions(known)+"?", "yes"); err != nil {
				return err
			}
		}
	}
	total := control.Outcome{Action: "revoke-user"}
	var missing error
	for _, id := range ids {
		o, err := store.Revoke(ctx, id)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", id, err), a.ended(total))
		}
		if o.Count == 0 {
			missing = errors.Join(missing, fmt.Errorf("%s: %w", id, control.ErrNotFound))
		}
		total.Count += o.Count
	}
	return errors.Join(a.ended(total), missing)
}

func (a *app) revokeUser(ctx context.Context, store *control.Client, v revocation) error {
	if !v.yes {
		if some, err := a.confirmUser(ctx, store, v); err != nil || !some {
			return err
		}
	}
	o, err := store.RevokeUser(ctx, v.user, v.except)
	if err != nil {
		return err
	}
	return a.ended(o)
}

// confirmUser asks before the sessions of a user end. If there are none, it says so, and nothing is to be ended.
func (a *app) confirmUser(ctx context.Context, store *control.Client, v revocation) (some bool, err error) {
	count := 0
	_, err = store.Pages(ctx, control.Filter{User: v.user}, 0, func(page []json.RawMessage) error {
		count += len(page)
		return nil
	})
	if err != nil {
		return false, err
	}
	if count == 0 {
		return false, a.ended(control.Outcome{Action: "revoke-user"})
	}
	question := fmt.Sprintf("End %s of the user %s?", sessions(count), terminal.Quote(v.user))
	if v.except != "" {
		question = fmt.Sprintf("End the sessions of the user %s but %s?", terminal.Quote(v.user), v.except)
	}
	return true, a.Confirm(ctx, question, "yes")
}

func (a *app) revokeAll(ctx context.Context, store *control.Client, v revocation) error {
	if !v.yes {
		question := "End every session of every user and guest? Type \"everybody\":"
		if err := a.Confirm(ctx, question, "everybody"); err != nil {
			return err
		}
	}
	p := a.Start("Ending all sessions", nil)
	o, err := store.RevokeAll(ctx)
	p.Stop()
	if err != nil {
		return err
	}
	return a.ended(o)
}

// ended prints how many sessions ended.
func (a *app) ended(o control.Outcome) error {
	if a.output == "json" {
		return a.printJSON(o)
	}
	a.say("%s ended.", sessions(o.Count))
	return nil
}

func (a *app) cleanup() *cobra.Command {
	return &cobra.Command{
		Use: "cleanup", Short: "Delete expired sessions now", GroupID: groupEnd,
		Long: `Deletes expired sessions. A store that runs does that by itself every 15
minutes. Expired sessions are refused whether they are deleted or not.`,
		Args: arguments(0, 0, "no arguments"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(store *control.Client) error {
				p := a.Start("Deleting expired sessions", nil)
				o, err := store.Cleanup(c.Context())
				p.Stop()
				if err != nil {
					return err
				}
				if a.output == "json" {
					return a.printJSON(o)
				}
				a.say("%s deleted that had expired.", sessions(o.Count))
				return nil
			})
		},
	}
}
