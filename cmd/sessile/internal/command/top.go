package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

func (a *app) top() *cobra.Command {
	every := time.Second
	c := &cobra.Command{
		Use: "top", Short: "Watch a store that runs: figures and the newest sessions", GroupID: groupSee,
		Long: `Shows the figures of a store that runs and its newest sessions, and refreshes
them. Press q to leave. It needs a terminal; sessile stats --watch does not.`,
		Args: arguments(0, 0, "no arguments"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if every < 100*time.Millisecond {
				return usageError("the interval %v is too short (limit 100ms)", every)
			}
			store, err := a.target.Dial(c.Context())
			if err != nil {
				return needsRunning(err)
			}
			screen, err := a.OpenScreen()
			if err != nil {
				return errors.Join(usageError("%w", err), store.Close())
			}
			v := &view{screen: screen, store: store}
			return errors.Join(v.run(c.Context(), every), screen.Close(), store.Close())
		},
	}
	c.Flags().DurationVar(&every, "interval", every, "`time` between two refreshes")
	return c
}

// history is how many values a plot keeps.
const history = 300

// view is what top shows.
type view struct {
	screen *terminal.Screen
	store  *control.Client
	before control.Snapshot
	now    control.Snapshot
	rates  rates
	newest []control.Session
	series [3][]float64 // reads, writes, p99
	lost   error        // why the figures are old
}

// run refreshes the screen until a key ends it.
func (v *view) run(ctx context.Context, every time.Duration) error {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		v.lost = v.ask(ctx)
		width, height := v.screen.Size()
		v.screen.Draw(v.lines(width, height, time.Now()))
		if !v.screen.Wait(ctx, ticks.C) {
			return nil
		}
	}
}

// ask reads new figures.
func (v *view) ask(ctx context.Context) error {
	raw, err := v.store.Stats(ctx)
	if err != nil {
		return err
	}
	now, err := control.ParseSnapshot(raw)
	if err != nil {
		return err
	}
	list, err := v.store.List(ctx, control.Filter{}, 50)
	if err != nil {
		return err
	}
	if v.newest, err = control.ParseSessions(list); err != nil {
		return err
	}
	v.before, v.now = v.now, now
	if v.before.At.IsZero() {
		return nil
	}
	v.rates = between(v.before, v.now)
	for i, value := range []float64{v.rates.reads, v.rates.writes, v.rates.p99Value} {
		v.series[i] = append(v.series[i], value)
		v.series[i] = v.series[i][max(0, len(v.series[i])-history):]
	}
	return nil
}

// Colours. The terminal's own palette keeps them readable on light and dark backgrounds.
const (
	bold    = "\x1b[1m"
	dim     = "\x1b[2m"
	red     = "\x1b[31m"
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	reverse = "\x1b[7m"
	plain   = "\x1b[0m"
)

// lines draws the view for a screen of that size.
func (v *view) lines(width, height int, now time.Time) []string {
	title := fmt.Sprintf(" sessile top  %s  %s", terminal.Quote(v.store.Socket), now.Local().Format("15:04:05"))
	out := []string{reverse + bold + text.Pad(cut(title, width), width, ' '), v.state(width), ""}
	out = append(out, v.figures(width)...)
	out = append(out, "")
	out = append(out, v.plots(width)...)
	out = append(out, "", bold+cut("NEWEST SESSIONS", width))
	rows := height - len(out) - 2
	if rows > 0 {
		out = append(out, v.table(width, rows, now)...)
	}
	for len(out) < height-1 {
		out = append(out, "")
	}
	return append(out[:min(len(out), max(height-1, 0))], dim+cut("q leaves", width))
}

func (v *view) state(width int) string {
	if v.lost != nil {
		return red + cut("The store does not answer: "+strings.ReplaceAll(terminal.Clean(v.lost.Error()), "\n", " "), width)
	}
	colour := map[string]string{"ok": green, "degraded": yellow}[v.now.Health.State]
	if colour == "" {
		colour = red
	}
	return colour + cut("● "+health(v.now), width)
}

// figures draws pairs of names and values in columns.
func (v *view) figures(width int) []string {
	s, m := v.now, v.now.Metrics
	list := [][2]string{
		{"stored", stored(s)}, {"in memory", number(m.Hot) + ", " + size(m.HotBytes)}, {"hits", percent(v.rates.hits, v.rates.total)},
		{"reads/s", number(v.rates.reads)}, {"from disk/s", number(v.rates.cold)}, {"unknown tokens", number(m.Unknown)},
		{"writes/s", number(v.rates.writes)}, {"commits/s", number(v.rates.commits)}, {"changes/commit", v.rates.batch},
		{"commit p99", v.rates.p99}, {"pending", number(m.Pending)}, {"oldest", brief(s.Health.OldestPending)},
		{"created", number(m.Created)}, {"destroyed", number(m.Ended.Destroyed)}, {"evicted", number(m.Ended.Evicted)},
		{"refused", number(m.Refused)}, {"file", size(s.Health.FileBytes)}, {"WAL", size(s.Health.WALBytes)},
	}
	columns := max(1, min(3, width/24))
	cell := width / columns
	var out []string
	for i := 0; i < len(list); i += columns {
		var b strings.Builder
		for _, f := range list[i:min(i+columns, len(list))] {
			name := text.Pad(cut(f[0], cell-1), min(15, cell-1), ' ')
			value := text.Pad(cut(f[1], max(1, cell-text.StringWidth(name)-1)), max(1, cell-text.StringWidth(name)), ' ')
			b.WriteString(dim + name + plain + value)
		}
		out = append(out, b.String())
	}
	return out
}

// plots draws the last values of each series.
func (v *view) plots(width int) []string {
	var out []string
	for i, p := range []struct {
		name string
		show func(float64) string
	}{{"reads/s", number[float64]}, {"writes/s", number[float64]}, {"commit p99", brief}} {
		most := 0.0
		columns := max(0, width-28)
		for _, x := range v.series[i][max(0, len(v.series[i])-columns):] {
			most = max(most, x)
		}
		out = append(out, cut(fmt.Sprintf("%-11s", p.name), width)+green+spark(v.series[i], columns)+plain+dim+cut(" max "+p.show(most), min(16, width)))
	}
	return out
}

// table draws the newest sessions.
func (v *view) table(width, rows int, now time.Time) []string {
	if len(v.newest) == 0 {
		return []string{dim + cut("There is no session.", width)}
	}
	var b strings.Builder
	header := []string{"user", "device", "address", "created", "active", "expires", "id"}
	_ = writeTable(&b, header, newestRows(v.newest[:min(len(v.newest), max(rows-1, 0))], now), nil) // into memory
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = cut(lines[i], width)
	}
	lines[0] = dim + lines[0]
	return lines
}

// newestRows are the rows of a list with the ID at the end, where a narrow screen cuts it.
func newestRows(all []control.Session, now time.Time) [][]string {
	rows := sessionRows(all, now)
	for i, r := range rows {
		rows[i] = append(append([]string{}, r[1:]...), r[0])
	}
	return rows
}
