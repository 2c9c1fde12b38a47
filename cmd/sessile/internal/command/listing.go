package command

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
)

// listing prints sessions page by page: it holds one page in memory, however long the list is.
type listing struct {
	*app
	count  int
	widths []int // of the columns so far
}

// add prints a page.
func (l *listing) add(page []json.RawMessage) error {
	if len(page) == 0 {
		return nil
	}
	defer func() { l.count += len(page) }()
	if l.output == "json" && !l.quiet {
		return l.addJSON(page)
	}
	all, err := control.ParseSessions(page)
	if err != nil {
		return err
	}
	if !l.quiet {
		return l.addRows(sessionRows(all, time.Now()))
	}
	for _, s := range all {
		if _, err := fmt.Fprintln(l.Out, terminal.Quote(s.ID)); err != nil {
			return err
		}
	}
	return nil
}

// addJSON prints the elements of an array.
func (l *listing) addJSON(page []json.RawMessage) error {
	before := ",\n  "
	if l.count == 0 {
		before = "[\n  "
	}
	for _, raw := range page {
		element, err := json.MarshalIndent(raw, "  ", "  ")
		if err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
		if _, err := l.Out.Write(append([]byte(before), terminal.CleanJSON(element)...)); err != nil {
			return err
		}
		before = ",\n  "
	}
	return nil
}

// addRows prints rows in columns. A later page can only widen the columns, because the earlier ones are
// printed already.
func (l *listing) addRows(rows [][]string) error {
	var header []string
	if l.count == 0 {
		header = sessionHeader()
		l.widths = make([]int, len(header))
	}
	for _, r := range append(rows, header) {
		for i, cell := range r {
			l.widths[i] = max(l.widths[i], text.StringWidth(cell))
		}
	}
	return writeTable(l.Out, header, rows, l.widths)
}

// end ends the list. whole is false if it is not complete, so that no program takes it for the whole.
func (l *listing) end(whole bool) error {
	switch {
	case !whole:
		return nil
	case l.output == "json" && !l.quiet:
		bracket := "\n]\n"
		if l.count == 0 {
			bracket = "[]\n"
		}
		_, err := fmt.Fprint(l.Out, bracket)
		return err
	case l.count == 0:
		l.say("No session matches.")
	}
	return nil
}
