package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

func (a *app) list() *cobra.Command {
	var f control.Filter
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List active sessions, the newest first", GroupID: groupSee,
		Example: "  sessile list --user alice\n  sessile list --device iphone --limit 0 -q | wc -l",
		Args:    arguments(0, 0, "no arguments"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageError("the limit %d is negative", limit)
			}
			return a.with(c.Context(), func(store *control.Client) error {
				l := &listing{app: a}
				more, err := store.Pages(c.Context(), f, limit, l.add)
				if err := errors.Join(err, l.end(err == nil)); err != nil {
					return err
				}
				if more {
					a.note("There are more than %s: add --limit 0 to list all.", sessions(limit))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&f.User, "user", "", "only those of this user `ID`")
	c.Flags().StringVar(&f.IP, "ip", "", "only those from this `address`")
	c.Flags().StringVar(&f.Device, "device", "", "only those whose device or User-Agent contains this `text`")
	c.Flags().IntVar(&limit, "limit", 100, "list at most this `number`; 0 lists all")
	return c
}

func sessionHeader() []string {
	return []string{"id", "user", "device", "address", "created", "active", "expires"}
}

func sessionRows(all []control.Session, now time.Time) (rows [][]string) {
	for _, s := range all {
		rows = append(rows, []string{
			terminal.Quote(s.ID), cut(terminal.Quote(s.UserID), 24), cut(terminal.Quote(s.DeviceName), 28), terminal.Quote(s.IPAddress),
			when(s.CreatedAt, now), when(s.LastActiveAt, now), when(s.ExpiresAt, now),
		})
	}
	return rows
}

func (a *app) show() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show everything about a session but its token and its data", GroupID: groupSee,
		Long: `Shows everything about a session but its token and its data. Of the data it
shows the keys that the application has allowed, if the store runs.`,
		Args: arguments(1, 1, "the ID of a session"), ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkIDs(args); err != nil {
				return err
			}
			return a.with(c.Context(), func(store *control.Client) error {
				raw, err := store.Show(c.Context(), args[0])
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				if a.output == "json" {
					return a.printJSON(raw)
				}
				d, err := control.ParseDetail(raw)
				if err != nil {
					return err
				}
				if a.quiet {
					fmt.Fprintln(a.Out, terminal.Quote(d.Session.ID))
					return nil
				}
				writePairs(a.Out, detailRows(d, time.Now()))
				return nil
			})
		},
	}
}

func detailRows(d control.Detail, now time.Time) [][]string {
	s := d.Session
	state := "active"
	if !d.Active {
		state = "expired, and not deleted yet"
	}
	rows := [][]string{
		{"id", terminal.Quote(s.ID)}, {"user", terminal.Quote(s.UserID)}, {"state", state},
		{"device", terminal.Quote(s.DeviceName)}, {"type", terminal.Quote(s.DeviceType)},
		{"address", terminal.Quote(s.IPAddress)}, {"user agent", terminal.Quote(s.UserAgent)},
		{"created", moment(s.CreatedAt, now)}, {"active", moment(s.LastActiveAt, now)}, {"expires", moment(s.ExpiresAt, now)},
		{"deadline", moment(s.Deadline, now)}, {"idle timeout", span(time.Duration(s.TTLSeconds * float64(time.Second)))},
		{"logged in", moment(s.AuthenticatedAt, now)}, {"new token", moment(s.RotatedAt, now)},
	}
	for key, value := range d.Data {
		rows = append(rows, []string{"data " + terminal.Quote(key), terminal.Quote(string(value))})
	}
	return rows
}

// checkIDs returns an error for a text that cannot be the ID of a session.
func checkIDs(args []string) error {
	for _, id := range args {
		if _, err := sessile.ParseID(id); err != nil {
			return usageError("%s is not the ID of a session (sessile list shows them)", terminal.Quote(id))
		}
	}
	return nil
}

// completeIDs completes the IDs of sessions for a shell, if the store runs.
func (a *app) completeIDs(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	store, err := a.target.Dial(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer store.Close()
	raw, err := store.List(c.Context(), control.Filter{}, 100)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := control.ParseSessions(raw)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, s := range all {
		ids = append(ids, fmt.Sprintf("%s\t%s on %s", terminal.Quote(s.ID), terminal.Quote(s.UserID), terminal.Quote(s.DeviceName)))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
