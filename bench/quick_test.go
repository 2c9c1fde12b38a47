package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var quick = flag.Bool("quick", false, "print one line per ratio, in less than a minute")

// quickSessions is the number of sessions of a quick run.
const quickSessions = 20_000

// quickContestants are those that a quick run compares.
func quickContestants() []contestant {
	return named("sessile", limited, "floor", "mutex-map", "scs-memstore", "scs-memstore-json", "scs-sqlite-FULL-json", "scs-redis-json")
}

// TestQuick measures some rows of TestFull, by the same definitions, in fewer and shorter rounds. It prints what it leaves out.
func TestQuick(t *testing.T) {
	if !*quick {
		t.Skip("make bench-quick")
	}
	quickRequests(t)
	list := coldSelects(t, quickSessions, []int{1, 16}, 3, 100*time.Millisecond)
	for i := 0; i < len(list); i += 2 {
		x := list[i]
		fmt.Printf("ratio cold-read/sessions=%d/clients=%d %s %.2f\n", x.Sessions, x.Clients, ofSelect, x.PerSecond/list[i+1].PerSecond)
	}
	set := sustainWorks()[0]
	newSite(t, contestantNamed("sessile"), quickSessions, options{}).sustain(set, sustainTime).print()
	quickHTTP(t)
	leftOut()
}

func quickRequests(t *testing.T) {
	t.Helper()
	for _, touch := range []bool{false, true} {
		var list []*site
		for _, k := range quickContestants() {
			if s := newSite(t, k, quickSessions, options{touch: touch}); s != nil {
				list = append(list, s)
			}
		}
		for _, w := range works() {
			if w.touch == touch {
				ratios(compare(w.of(list), w, 1, 5, 25*time.Millisecond))
			}
		}
	}
}

func quickHTTP(t *testing.T) {
	t.Helper()
	if noWrk() != nil {
		return
	}
	w := httpWorks()[0]
	w.who = named("sessile", "floor", "scs-memstore-json")
	list := w.measure(t, quickSessions, 1, time.Second)
	for _, x := range list[1:] {
		fmt.Printf("ratio %s/sessions=%d %s %.2f\n", x.Work, x.Sessions, x.Contestant, list[0].PerSecond/x.PerSecond)
	}
}

// leftOut prints what a full run measures besides.
func leftOut() {
	list := []string{
		fmt.Sprintf("more than %d sessions, and one session alone", quickSessions),
		"2 and 64 clients; rounds are 25 ms and not 100 ms, five and not nine",
		"scs over SQLite NORMAL, and its gob codec over SQLite and Redis; gorilla/sessions; gin-contrib/sessions",
		"sustained renewals, mixes and logins, and sustained rows of others and of bare loops; overload; soak",
		"durable calls, lookups, reads beside load, write-behind, settings, growth, PostgreSQL",
		"sets and cold reads over HTTP",
	}
	if redisServer() == "" {
		list = append(list, "scs over Redis: redis-server is not installed (Debian: apt-get install redis-server)")
	}
	if err := noWrk(); err != nil {
		list = append(list, err.Error())
	}
	for _, what := range list {
		fmt.Println("left out:", what)
	}
}
