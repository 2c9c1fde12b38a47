package kill

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/ledger"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

var rounds = flag.Int("kill.rounds", 20, "kill -9 cycles; half as many SIGTERMs and kills while it opens")

func TestMain(m *testing.M) {
	if path := os.Getenv("SESSILE_KILL_CHILD"); path != "" {
		if err := child(path, os.Getenv("SESSILE_KILL_VARIANT")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// change is the acknowledgement of a write-behind change.
type change struct {
	value int64
	at    time.Time
}

// loop is a run of kill cycles over one file.
type loop struct {
	t       *testing.T
	path    string
	variant string
	ledger  *ledger.Ledger
	fresh   []sessile.ID // sessions of this cycle
	old     []sessile.ID
	ending  map[string][]sessile.ID // sessions that the logout of a user ends
	found   map[ledger.Kind]int
	acks    int
	pending map[sessile.ID][]change // changes acknowledged to the child, by session
	behind  int                     // write-behind changes lost, within the contract
	ended   time.Time
	late    time.Duration // longest time from the acknowledgement of a lost change to the kill
	slow    time.Duration // slowest exit
}

func newLoop(t *testing.T, variant string) *loop {
	t.Helper()
	return &loop{
		t: t, path: filepath.Join(t.TempDir(), "kill.db"), variant: variant, ledger: ledger.New(),
		ending: make(map[string][]sessile.ID), found: make(map[ledger.Kind]int), pending: make(map[sessile.ID][]change),
	}
}

func (l *loop) violations() (n int) {
	for _, k := range l.found {
		n += k
	}
	return n
}

func (l *loop) String() string {
	return fmt.Sprintf("%d acknowledgements, %d sessions, violations %v", l.acks, l.ledger.Len(), l.found)
}

// cycle starts the child, sends it a signal after a while, and checks the file.
func (l *loop) cycle(end os.Signal) {
	cmd, lines := l.start()
	if line, err := lines.ReadString('\n'); err != nil || line != "open\n" {
		l.t.Fatalf("the child did not open the store: %q, %v", line, err)
	}
	ended := make(chan time.Time, 1)
	timer := time.AfterFunc(time.Duration(5+rand.IntN(195))*time.Millisecond, func() {
		ended <- time.Now()
		_ = cmd.Process.Signal(end)
	})
	defer timer.Stop()
	l.listen(lines)
	err := cmd.Wait()
	l.ended = <-ended
	if end == syscall.SIGTERM {
		l.slow = max(l.slow, time.Since(l.ended))
		if err != nil {
			l.t.Errorf("it did not close: %v", err)
		}
	}
	l.check()
}

// start starts the child.
func (l *loop) start() (*exec.Cmd, *bufio.Reader) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SESSILE_KILL_CHILD="+l.path, "SESSILE_KILL_VARIANT="+l.variant,
		"GORACE=atexit_sleep_ms=0") // otherwise the race detector waits for a second at exit
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "start\n" {
		l.t.Fatalf("the child did not start: %q, %v", line, err)
	}
	return cmd, lines
}

// listen reads the child's lines until it is dead.
func (l *loop) listen(r *bufio.Reader) {
	l.old, l.fresh = append(l.old, l.fresh...), nil
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				l.t.Fatal(err)
			}
			return // an incomplete last line does not count
		}
		l.hear(strings.Fields(line))
	}
}

// ops maps the child's letters to operations.
func ops() map[string]ledger.Op {
	return map[string]ledger.Op{
		"c": ledger.Create, "r": ledger.Rotate, "d": ledger.Destroy, "w": ledger.Destroy, "u": ledger.Update, "f": ledger.Update,
	}
}

// hear adds a line of the child to the ledger: lower case before a call, upper case after it.
func (l *loop) hear(f []string) {
	letter := strings.ToLower(f[0])
	e := ledger.Entry{Op: ops()[letter], Stage: ledger.Begun, Wait: letter == "f"}
	if letter != f[0] {
		e.Stage = ledger.Done
		l.acks++
	}
	switch letter {
	case "c":
		l.hearCreate(&e, f)
	case "w":
		if e.User = f[1]; e.Stage == ledger.Begun {
			l.ending[e.User] = l.ledger.SessionsOf(e.User)
		}
		e.IDs = l.ending[e.User]
	default:
		l.hearSession(&e, f)
	}
	l.ledger.Add(e)
}

func (l *loop) hearCreate(e *ledger.Entry, f []string) {
	if e.User = f[1]; e.Stage == ledger.Done {
		e.IDs, e.Token = []sessile.ID{l.id(f[2])}, l.token(f[3])
		l.fresh = append(l.fresh, e.IDs...)
	}
}

func (l *loop) hearSession(e *ledger.Entry, f []string) {
	id := l.id(f[1])
	e.IDs = []sessile.ID{id}
	switch f[0] {
	case "R":
		e.Token = l.token(f[2])
	case "u", "U", "f", "F":
		e.N, _ = strconv.ParseInt(f[2], 10, 64)
	}
	if f[0] == "U" {
		l.pending[id] = append(l.pending[id], change{e.N, time.Now()})
	}
}

func (l *loop) id(text string) sessile.ID {
	l.t.Helper()
	id, err := sessile.ParseID(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *loop) token(text string) sessile.Token {
	l.t.Helper()
	token, err := sessile.ParseToken(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return token
}

// check opens the file again and compares it with what was acknowledged for this cycle's sessions and some
// older ones.
func (l *loop) check() {
	ctx := context.Background()
	store, err := sessile.Open(ctx, sessile.Config{
		Path: l.path, MaxSessionsPerUser: sessile.NoSessionLimit, CleanupInterval: sessile.NoCleanup,
	})
	if err != nil {
		l.report(ledger.Violation{Kind: ledger.Corrupt, What: "opening after the end: " + err.Error()})
		return
	}
	ids := slices.Clone(l.fresh)
	for range min(len(l.old), 100) {
		ids = append(ids, l.old[rand.IntN(len(l.old))])
	}
	l.report(l.ledger.CheckSessions(ctx, store, ledger.Crashed, ids)...)
	for _, id := range ids {
		l.missed(store, id)
	}
	if err := errors.Join(l.ledger.Settle(ctx, store, ids), store.Close()); err != nil {
		l.t.Fatal(err)
	}
	l.report(ledger.Integrity(l.path)...)
}

// report counts violations.
func (l *loop) report(found ...ledger.Violation) {
	for _, v := range found {
		l.found[v.Kind]++
		l.t.Log(v)
	}
}

// missed counts sessions that lost write-behind changes.
func (l *loop) missed(store *sessile.Store, id sessile.ID) {
	acked := l.pending[id]
	delete(l.pending, id)
	s, err := store.Read(context.Background(), id)
	if err != nil {
		return
	}
	n, _, _ := sessile.Get[int64](s, "n")
	lost := slices.DeleteFunc(acked, func(c change) bool { return c.value <= n })
	if len(lost) > 0 {
		l.behind++
		l.late = max(l.late, l.ended.Sub(lost[0].at))
	}
}

// TestKillUndoesNothing checks what survives SIGKILL. It also measures the age of the oldest write-behind
// change that was lost.
func TestKillUndoesNothing(t *testing.T) { // D22, I1, I2, I3, I7, R1, R14
	l := newLoop(t, "")
	for range *rounds {
		l.cycle(syscall.SIGKILL)
	}
	t.Logf("%d cycles, %v; written behind and lost %d, the oldest %v before the kill at a batch interval of %v",
		*rounds, l, l.behind, l.late.Round(time.Millisecond), interval)
	if l.violations() > 0 {
		t.Fatal("promises were broken")
	}
}

// Negative control: a store that acknowledges a destroy before it is durable must be detected.
func TestKillNoticesAnEarlyAcknowledgement(t *testing.T) {
	notice(t, "early", syscall.SIGKILL, func(l *loop) int { return l.found[ledger.Undone] })
}

// notice runs a broken variant until the violation is found.
func notice(t *testing.T, variant string, end os.Signal, broken func(*loop) int) {
	t.Helper()
	l := newLoop(t, variant)
	for i := range 50 {
		if l.cycle(end); broken(l) > 0 {
			t.Logf("noticed in cycle %d", i+1)
			return
		}
	}
	t.Fatal("50 cycles did not notice")
}
