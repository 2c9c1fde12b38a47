package command

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

// writeTable prints rows in columns. The caller has quoted the cells. On a terminal, long rows are cut.
// header may be nil, and widths are the least widths of the columns, if any.
func writeTable(out io.Writer, header []string, rows [][]string, widths []int) error {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	style.Size.WidthMax = terminal.Width(out)
	style.Box.UnfinishedRow = "…"
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	var columns []table.ColumnConfig
	for i, width := range widths {
		columns = append(columns, table.ColumnConfig{Number: i + 1, WidthMin: width})
	}
	t.SetColumnConfigs(columns)
	if header != nil {
		t.AppendHeader(row(header))
	}
	for _, r := range rows {
		t.AppendRow(row(r))
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

func row(cells []string) table.Row {
	r := make(table.Row, len(cells))
	for i, c := range cells {
		r[i] = c
	}
	return r
}

// writePairs prints names and values. On a terminal it wraps the values, because a value that is cut says
// nothing. The caller has quoted them.
func writePairs(out io.Writer, rows [][]string) {
	left := 0
	for _, r := range rows {
		left = max(left, text.StringWidth(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintln(out, text.Pad(r[0], left, ' ')+"  "+hang(r[1], left+2, terminal.Width(out)))
	}
}

// leastWidth is the narrowest column in which text is wrapped.
const leastWidth = 10

// hang wraps text that begins in column left of a terminal with that many columns, 0 for no terminal.
func hang(s string, left, columns int) string {
	if columns-left >= leastWidth {
		s = text.WrapSoft(s, columns-left)
	}
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", left))
}

// cut shortens text to a width in columns.
func cut(s string, width int) string { return text.Snip(s, width, "…") }

// number prints a count with separators between thousands.
func number[N int | int64 | float64](n N) string {
	s := strconv.FormatFloat(float64(n), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// sessions prints a number of sessions.
func sessions(n int) string {
	if n == 1 {
		return "1 session"
	}
	return number(n) + " sessions"
}

// size prints a number of bytes.
func size[N int64 | float64](n N) string {
	v, units := float64(n), []string{"B", "KB", "MB", "GB", "TB"}
	for v >= 1000 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	if units[0] == "B" || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[0])
	}
	return fmt.Sprintf("%.1f %s", v, units[0])
}

// span prints a duration with one unit.
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// brief prints a short time in seconds, such as that of a commit.
func brief(seconds float64) string {
	switch ms := seconds * 1000; {
	case ms == 0:
		return "0 ms"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return span(time.Duration(seconds * float64(time.Second)))
	}
}

// when prints a time relative to now.
func when(at, now time.Time) string {
	switch {
	case at.IsZero():
		return terminal.None
	case at.After(now):
		return "in " + span(at.Sub(now))
	default:
		return span(now.Sub(at)) + " ago"
	}
}

// moment prints a time in full, and relative to now.
func moment(at, now time.Time) string {
	if at.IsZero() {
		return terminal.None
	}
	return at.Local().Format("2006-01-02 15:04:05 MST") + " (" + when(at, now) + ")"
}

// spark draws the values of a series, the newest at the right.
func spark(values []float64, width int) string {
	const levels = "▁▂▃▄▅▆▇█"
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for range width - len(values) {
		b.WriteByte(' ')
	}
	for _, v := range values[max(0, len(values)-width):] {
		i := 0
		if most > 0 {
			i = int(v / most * 7)
		}
		b.WriteRune([]rune(levels)[i])
	}
	return b.String()
}
