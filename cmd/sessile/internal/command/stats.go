package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

func (a *app) stats() *cobra.Command {
	var watch bool
	every := time.Second
	c := &cobra.Command{
		Use: "stats", Short: "Show counters, sizes and health", GroupID: groupSee,
		Long: `Shows counters since the store was opened, sizes and health. With --watch it
prints a line for each interval: what happened in it, and the state at its end.

The counters are those of the store that runs. If none runs, only the number of
stored sessions, the size of the file and the health mean something.`,
		Args: arguments(0, 0, "no arguments"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if every < 100*time.Millisecond {
				return usageError("the interval %v is too short (limit 100ms)", every)
			}
			if watch {
				return a.watch(c.Context(), every)
			}
			return a.with(c.Context(), func(store *control.Client) error {
				raw, err := store.Stats(c.Context())
				if err != nil {
					return err
				}
				if a.output == "json" {
					return a.printJSON(raw)
				}
				s, err := control.ParseSnapshot(raw)
				if err != nil {
					return err
				}
				if a.quiet {
					fmt.Fprintln(a.Out, terminal.Quote(s.Health.State))
					return nil
				}
				writePairs(a.Out, statsRows(s, store.Running(), a.noCounters()))
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "print a line for each interval until it is interrupted")
	c.Flags().DurationVar(&every, "interval", every, "`time` between two lines")
	return c
}

// noCounters says why there are no counters if no store was asked over its socket.
func (a *app) noCounters() string {
	if a.target.Database != "" {
		return "unknown: each node has its own; name its socket with --socket"
	}
	return "none: no store runs"
}

// statsRows describes a snapshot. without replaces the counters if no store runs that could be asked.
func statsRows(s control.Snapshot, running bool, without string) [][]string {
	rows := [][]string{{"health", health(s)}, {"sessions stored", stored(s)}}
	if s.Health.FileBytes > 0 {
		rows = append(rows, []string{"file", size(s.Health.FileBytes) + ", write-ahead log " + size(s.Health.WALBytes)})
	}
	if s.Health.Lease > 0 {
		rows = append(rows, []string{"lease", brief(s.Health.Lease)})
	}
	if !running {
		return append(rows, []string{"counters", without})
	}
	m := s.Metrics
	return append(rows,
		[]string{"in memory", fmt.Sprintf("%s sessions, %s, %s evicted", number(m.Hot), size(m.HotBytes), number(m.Evictions))},
		[]string{"reads", fmt.Sprintf("%s from memory, %s from disk (%s hits)", number(m.Reads.Memory), number(m.Reads.Disk), percent(m.Reads.Memory, m.Reads.Memory+m.Reads.Disk))},
		[]string{"unknown tokens", number(m.Unknown)},
		[]string{"sessions", fmt.Sprintf("%s created, %s destroyed, %s evicted, %s expired", number(m.Created), number(m.Ended.Destroyed), number(m.Ended.Evicted), number(m.Ended.Expired))},
		[]string{"tokens replaced", number(m.Rotated)},
		[]string{"writes", fmt.Sprintf("%s of data, %s touches", number(m.Writes.Data), number(m.Writes.Touch))},
		[]string{"commits", fmt.Sprintf("%s, %s failed, median %s, p99 %s", number(m.Commits.Count), number(m.Failed), quantile(m.Commits, 0.5), quantile(m.Commits, 0.99))},
		[]string{"changes per commit", mean(m.Batches)},
		[]string{"not on disk yet", fmt.Sprintf("%s changes, the oldest for %s", number(m.Pending), brief(s.Health.OldestPending))},
		[]string{"refused", fmt.Sprintf("%s calls, %s touches dropped", number(m.Refused), number(m.Dropped))},
		[]string{"unreadable rows", number(m.Damaged)},
	)
}

func health(s control.Snapshot) string {
	text := terminal.Quote(s.Health.State)
	if s.Health.Reason != "" {
		text += ": " + terminal.Quote(s.Health.Reason)
	}
	if s.Health.LastError != "" {
		text += fmt.Sprintf(" (last error %s: %s)", when(s.Health.LastErrorAt, time.Now()), terminal.Quote(s.Health.LastError))
	}
	return text
}

func stored(s control.Snapshot) string {
	if s.Stored == nil {
		return "unknown"
	}
	return number(*s.Stored)
}

func percent(part, of float64) string {
	if of == 0 {
		return terminal.None
	}
	return fmt.Sprintf("%.1f %%", 100*part/of)
}

func quantile(d control.Distribution, q float64) string {
	v, ok := d.Quantile(q)
	if !ok {
		return terminal.None
	}
	return brief(v)
}

func mean(d control.Distribution) string {
	v, ok := d.Mean()
	if !ok {
		return terminal.None
	}
	return fmt.Sprintf("%.1f", v)
}

// watch prints a line for each interval until ctx ends.
func (a *app) watch(ctx context.Context, every time.Duration) error {
	store, err := a.target.Dial(ctx)
	if err != nil {
		return needsRunning(err)
	}
	defer store.Close()
	var before control.Snapshot
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for line := -1; ; line++ {
		raw, err := store.Stats(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := control.ParseSnapshot(raw)
		if err != nil {
			return err
		}
		if err := a.watchLine(line, raw, before, now); err != nil {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// watchLine prints a snapshot as JSON, or what happened since the one before.
func (a *app) watchLine(line int, raw json.RawMessage, before, now control.Snapshot) error {
	if a.output == "json" {
		_, err := a.Out.Write(append(terminal.CleanJSON(raw), '\n'))
		return err
	}
	if line < 0 {
		return nil
	}
	columns := watchColumns(between(before, now), now)
	if line%20 == 0 && !a.quiet {
		fmt.Fprintln(a.Out, watchText(columns, terminal.Width(a.Out), func(c watchColumn) string { return c.name }))
	}
	_, err := fmt.Fprintln(a.Out, watchText(columns, terminal.Width(a.Out), func(c watchColumn) string { return c.value }))
	return err
}

// watchColumn is a column of the output of --watch.
type watchColumn struct {
	name  string
	width int // negative aligns to the left
	value string
}

// watchColumns returns the columns, the most important first: a narrow terminal shows only those that fit.
func watchColumns(r rates, s control.Snapshot) []watchColumn {
	return []watchColumn{
		{"TIME", -8, s.At.Local().Format("15:04:05")}, {"HEALTH", -8, cut(terminal.Quote(s.Health.State), 8)},
		{"READS/S", 9, number(r.reads)}, {"HITS", 7, percent(r.hits, r.total)}, {"WRITES/S", 9, number(r.writes)},
		{"COMMITS/S", 9, number(r.commits)}, {"P99", 9, r.p99}, {"PENDING", 8, number(s.Metrics.Pending)},
		{"STORED", 10, stored(s)}, {"MEMORY", 8, number(s.Metrics.Hot)}, {"OLDEST", 9, brief(s.Health.OldestPending)},
		{"WAL", 9, size(s.Health.WALBytes)},
	}
}

// watchText prints the columns that fit into a terminal of that width, or all if width is 0.
func watchText(columns []watchColumn, width int, text func(watchColumn) string) string {
	var line strings.Builder
	for i, c := range columns {
		cell := fmt.Sprintf("%*s", c.width, text(c))
		if i > 0 {
			cell = " " + cell
		}
		if width > 0 && utf8.RuneCountInString(line.String()+cell) > width {
			break
		}
		line.WriteString(cell)
	}
	return line.String()
}

// rates are what happened between two snapshots, per second. hits and total are counts.
type rates struct {
	reads, cold, writes, commits, hits, total, p99Value float64
	p99, batch                                          string
}

func between(a, b control.Snapshot) rates {
	seconds := b.At.Sub(a.At).Seconds()
	if seconds <= 0 {
		seconds = 1
	}
	since := func(a, b float64) float64 {
		if b < a { // the store was restarted
			return b
		}
		return b - a
	}
	commits := b.Metrics.Commits.Since(a.Metrics.Commits)
	r := rates{hits: since(a.Metrics.Reads.Memory, b.Metrics.Reads.Memory)}
	cold := since(a.Metrics.Reads.Disk, b.Metrics.Reads.Disk)
	r.total = r.hits + cold
	r.reads, r.cold = r.total/seconds, cold/seconds
	r.writes = since(a.Metrics.Changes(), b.Metrics.Changes()) / seconds
	r.commits = commits.Count / seconds
	r.p99, r.batch = quantile(commits, 0.99), mean(b.Metrics.Batches.Since(a.Metrics.Batches))
	r.p99Value, _ = commits.Quantile(0.99)
	return r
}

// needsRunning explains why a view of what happens needs a store that runs.
func needsRunning(err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		return fmt.Errorf("nothing happens in a store that does not run: %w", err)
	}
	return err
}
