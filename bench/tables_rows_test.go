package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// column is a contestant in a table of requests.
type column struct{ title, name string }

// ratio returns a rival's time divided by ours for so many clients, or 0 if one of them was not measured.
func (r *report) ratio(work, rival string, sessions, clients int) (v float64, current bool) {
	of := func(name string) func(result) bool {
		return func(x result) bool {
			return x.Work == work && x.Contestant == name && x.Sessions == sessions && x.Clients == clients
		}
	}
	return quotient(r.Results, of(rival), of("sessile"), func(x result) float64 { return x.Median }, func(x result) string { return x.Definition })
}

// requestLine is a row of a table of requests.
type requestLine struct {
	title, work string
	sessions    int
}

// docSessions is the number of sessions of the published figures.
const docSessions = 100_000

func requestLines() []requestLine {
	return []requestLine{
		{"read-only request", "read", docSessions},
		{"the same, one hot session alone", "read", 1},
		{"the same, memory for one session in a hundred, Zipf", "cold", docSessions},
		{"sets one key, one session", "set", 1},
		{"sets one key", "set", docSessions},
		{"renews the session every time", "touch", docSessions},
		{"95 reads, 4 sets, 1 login with its logout", "mix", docSessions},
		{"login and logout", "login+logout", docSessions},
	}
}

// ratios formats lines of requests: each cell for one client and for 64.
func (r *report) ratios(lines []requestLine, columns []column) string {
	head := []string{"work"}
	for _, c := range columns {
		head = append(head, c.title)
	}
	var rows [][]string
	for _, l := range lines {
		row := []string{l.title}
		for _, c := range columns {
			one, a := r.ratio(l.work, c.name, l.sessions, 1)
			many, b := r.ratio(l.work, c.name, l.sessions, 64)
			cell := ""
			if one > 0 && many > 0 {
				cell = figure(one) + ", " + figure(many) + marked(a, b)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return grid(head, rows)
}

func requestsTable(r *report) string {
	return r.ratios(requestLines(), []column{
		{"floor", "floor"}, {"mutex and map", "mutex-map"}, {"scs, memory", "scs-memstore"}, {"scs, SQLite NORMAL", "scs-sqlite-NORMAL"},
		{"scs, SQLite FULL", "scs-sqlite-FULL"}, {"scs, Redis", "scs-redis"}, {"gorilla cookies", "gorilla-cookie"}, {"ours with the default limit", limited},
	})
}

func jsonTable(r *report) string {
	return r.ratios(requestLines(), []column{
		{"scs, memory", "scs-memstore-json"}, {"scs, SQLite NORMAL", "scs-sqlite-NORMAL-json"},
		{"scs, SQLite FULL", "scs-sqlite-FULL-json"}, {"scs, Redis", "scs-redis-json"},
	})
}

func readmeTable(r *report) string {
	lines := requestLines()
	return r.ratios([]requestLine{lines[0], lines[4], lines[6], lines[7]}, []column{
		{"floor", "floor"}, {"scs, memory", "scs-memstore"}, {"scs, SQLite FULL", "scs-sqlite-FULL"}, {"scs, Redis", "scs-redis"}, {"gorilla cookies", "gorilla-cookie"},
	})
}

func coldTable(r *report) string {
	var rows [][]string
	for _, x := range r.Selects {
		rows = append(rows, []string{
			x.Contestant, strconv.Itoa(x.Clients), figure(x.PerSecond) + marked(x.Definition == x.definition()),
			figure(x.P50US), figure(x.P99US), figure(x.P999US),
		})
	}
	return grid([]string{"cold reads", "clients", "reads a second", "p50 µs", "p99 µs", "p99.9 µs"}, rows)
}

func durableTable(r *report) string {
	var rows [][]string
	for _, x := range r.Durable {
		rows = append(rows, []string{
			x.Operation, x.Contestant, strconv.Itoa(x.Callers), figure(x.PerSecond) + marked(x.Definition == x.definition()),
			figure(x.MedianUS), figure(x.P99US),
		})
	}
	return grid([]string{"call", "of", "callers", "a second", "median µs", "p99 µs"}, rows)
}

func sustainedTable(r *report) string {
	var rows [][]string
	for _, x := range r.Sustain {
		login := ""
		if x.Logins > 0 {
			login = fmt.Sprintf("%s, %s, %s", figure(x.LoginTimes.P50US/1000), figure(x.LoginTimes.P99US/1000), figure(x.LoginTimes.P999US/1000))
		}
		times, age := "", ""
		if x.Clients > 0 {
			times = fmt.Sprintf("%s, %s, %s", figure(x.P50US/1000), figure(x.P99US/1000), figure(x.P999US/1000))
		}
		if x.OldestMaxMS > 0 {
			age = fmt.Sprintf("%s, %s", figure(x.OldestP99MS), figure(x.OldestMaxMS))
		}
		rows = append(rows, []string{
			strings.TrimPrefix(x.Work, "sustained "), x.Contestant, figure(x.PerSecond) + marked(x.Definition == x.definition()),
			figure(x.Written), figure(x.Commits), age, times, login,
		})
	}
	return grid([]string{"work", "of", "answered a second", "written a second", "commits a second", "oldest unwritten ms: p99, max", "ms: p50, p99, p99.9", "login ms: p50, p99, p99.9"}, rows)
}

func overloadTable(r *report) string {
	var rows [][]string
	for _, x := range r.Over {
		rows = append(rows, []string{
			strings.TrimPrefix(x.Work, "overload by "), figure(x.Sustained) + marked(x.Definition == x.definition()), figure(x.Started), figure(x.Answered),
			fmt.Sprintf("%s %%", figure(100*x.Refused)), fmt.Sprintf("%s, %s", figure(x.OldestP99MS), figure(x.OldestMaxMS)),
			fmt.Sprintf("%s, %s", figure(x.Login.P50US/1000), figure(x.Login.P99US/1000)), fmt.Sprintf("%s, %s", figure(x.HeapMB), figure(x.ResidentMB)),
		})
	}
	return grid([]string{"ten times the", "sustained a second", "started", "answered", "refused", "oldest unwritten ms: p99, max", "login ms: p50, p99", "MB: heap, resident"}, rows)
}

func soakTable(r *report) string {
	var rows [][]string
	for i, x := range r.Soaks {
		if i > 0 && i < len(r.Soaks)-1 && i%max(len(r.Soaks)/6, 1) != 0 {
			continue
		}
		rows = append(rows, []string{
			fmt.Sprintf("%.1f", x.Minute), figure(x.PerSecond) + marked(x.Definition == x.definition()), figure(x.ReadP99US / 1000), figure(x.SetP99US / 1000),
			figure(x.LoginP99US / 1000), strconv.FormatInt(x.Refused, 10), fmt.Sprintf("%s, %s", figure(x.HeapMB), figure(x.ResidentMB)), fmt.Sprintf("%s, %s", figure(x.WALMB), figure(x.FileMB)),
		})
	}
	return grid([]string{"minute", "answered a second", "reads p99 ms", "sets p99 ms", "login and logout p99 ms", "refused", "MB: heap, resident", "MB: WAL, file"}, rows) +
		picture("99th percentiles by the minute", "-soak-time.svg") + picture("memory and files by the minute", "-soak-space.svg")
}

func httpTable(r *report) string {
	var rows [][]string
	for _, x := range r.HTTP {
		if x.Sessions == 0 {
			continue // before wrk
		}
		rows = append(rows, []string{
			strings.TrimPrefix(x.Work, "http "), x.Contestant, figure(x.PerSecond) + marked(x.Definition == x.definition()),
			figure(x.P50US / 1000), figure(x.P99US / 1000), strconv.Itoa(x.Seen),
		})
	}
	return grid([]string{"work", "of", "requests a second", "p50 ms", "p99 ms", "sessions seen"}, rows)
}

// insteadTable says what is better for some purposes, with our speed beside it.
func insteadTable(r *report) string {
	var rows [][]string
	for _, x := range []struct{ want, use, price, work, rival string }{
		{"sessions may vanish at each restart, one process", "scs in memory, or a map", "logins and logouts are not on disk when they are answered", "login+logout", "scs-memstore-json"},
		{"most requests write, and losing all of it is acceptable", "a map with a mutex", "no expiry, no limits, no disk", "set", "mutex-map"},
		{"a session need not end before its cookie does", "signed cookies (gorilla)", "a logout cannot be enforced; the session travels with each request", "login+logout", "gorilla-cookie"},
		{"Redis is there anyway, several servers share it, and its last second may be lost", "scs over Redis", "every request asks the server", "login+logout", "scs-redis"},
		{"many logins by few clients, and a power cut may undo the last of them", "scs over SQLite NORMAL", "every request asks SQLite", "login+logout", "scs-sqlite-NORMAL"},
		{"logins that last, from many clients", "Sessile", "", "login+logout", "scs-sqlite-FULL"},
		{"most requests read", "Sessile", "", "read", "scs-memstore-json"},
	} {
		one, a := r.ratio(x.work, x.rival, docSessions, 1)
		many, b := r.ratio(x.work, x.rival, docSessions, 64)
		cell := "not measured yet"
		if one > 0 && many > 0 {
			cell = figure(one) + ", " + figure(many) + marked(a, b)
		}
		rows = append(rows, []string{x.want, x.use, x.price, x.work + " beside " + x.rival, cell})
	}
	return grid([]string{"if", "use", "its price", "row", "ratio"}, rows)
}
