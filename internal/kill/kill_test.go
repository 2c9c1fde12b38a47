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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
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

// told is what the child said of one session.
type told struct {
	worker   int
	tokens   []string // the last is live
	rotating bool     // a rotation was under way
	ending   bool     // a destroy was under way
	ended    bool
	stored   int // acknowledged as durable
	value    int // acknowledged
	behind   []change
}

// change is an acknowledgement of what is written behind.
type change struct {
	value int
	at    time.Time
}

// loop is a run of kill -9 cycles over one file.
type loop struct {
	t          *testing.T
	path       string
	variant    string
	sessions   map[string]*told
	fresh      []string // sessions of this cycle
	old        []string
	acks       int
	lost       int // acknowledged creates or durable flushes
	undone     int // revocations
	resurected int // replaced tokens
	corrupt    int
	behind     int // write-behind changes lost, within their contract
	ended      time.Time
	late       time.Duration // the longest time between the acknowledgement of a lost change and the end
	slow       time.Duration // the slowest end
}

func (l *loop) violations() int { return l.lost + l.undone + l.resurected + l.corrupt }

// cycle starts the child, ends it by a signal after a while, and checks the file.
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
		"GORACE=atexit_sleep_ms=0") // the race detector waits for a second at exit otherwise
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

// listen reads what the child says until it is dead.
func (l *loop) listen(r *bufio.Reader) {
	l.old, l.fresh = append(l.old, l.fresh...), nil
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				l.t.Fatal(err)
			}
			return // a last line without its end was not said
		}
		l.hear(strings.Fields(line))
	}
}

func (l *loop) hear(f []string) {
	if f[0] >= "A" && f[0] <= "Z" {
		l.acks++
	}
	switch f[0] {
	case "c":
	case "C":
		w, _ := strconv.Atoi(f[1])
		l.sessions[f[2]] = &told{worker: w, tokens: []string{f[3]}}
		l.fresh = append(l.fresh, f[2])
	case "w", "W":
		for _, id := range l.fresh {
			if s := l.sessions[id]; strconv.Itoa(s.worker) == f[1] {
				s.ending, s.ended = true, s.ended || f[0] == "W"
			}
		}
		if f[0] == "W" {
			for _, id := range l.old {
				if s := l.sessions[id]; strconv.Itoa(s.worker) == f[1] {
					s.ended = true
				}
			}
		} else {
			for _, id := range l.old {
				if s := l.sessions[id]; strconv.Itoa(s.worker) == f[1] {
					s.ending = true
				}
			}
		}
	default:
		l.hearSession(l.sessions[f[1]], f)
	}
}

func (l *loop) hearSession(s *told, f []string) {
	n := 0
	if len(f) > 2 {
		n, _ = strconv.Atoi(f[2])
	}
	switch f[0] {
	case "r":
		s.rotating = true
	case "R":
		s.rotating = false
		s.tokens = append(s.tokens, f[2])
	case "d":
		s.ending = true
	case "D":
		s.ended = true
	case "F":
		s.stored, s.value = n, n
	case "U":
		s.value = n
		s.behind = append(s.behind, change{n, time.Now()})
	}
}

// check opens the file again, raw and through the library, and holds it to what
// was told of this cycle's sessions and of some older ones.
func (l *loop) check() {
	store, err := sessile.Open(context.Background(), sessile.Config{
		Path: l.path, MaxSessionsPerUser: sessile.Unlimited, CleanupInterval: sessile.Never,
	})
	if err != nil {
		l.corrupt++
		l.t.Errorf("opening after kill -9: %v", err)
		return
	}
	for _, id := range l.fresh {
		l.checkSession(store, l.sessions[id])
	}
	for range min(len(l.old), 100) {
		l.checkSession(store, l.sessions[l.old[rand.IntN(len(l.old))]])
	}
	if err := store.Close(); err != nil {
		l.t.Fatal(err)
	}
	if err := integrity(l.path); err != nil {
		l.corrupt++
		l.t.Error(err)
	}
}

func (l *loop) checkSession(store *sessile.Store, s *told) {
	last := len(s.tokens) - 1
	for _, t := range s.tokens[:last] {
		if _, ok := read(l.t, store, t); ok {
			l.resurected++
		}
	}
	got, ok := read(l.t, store, s.tokens[last])
	switch {
	case ok && s.ended:
		l.undone++
	case !ok && !s.ended && !s.ending && !s.rotating:
		l.lost++
		l.t.Logf("a session of worker %d is lost", s.worker)
	case ok:
		n, _, err := sessile.Get[int](got, "n")
		if err != nil || n < s.stored {
			l.lost++
			l.t.Logf("a durable flush is lost: %d < %d, %v", n, s.stored, err)
		}
		l.missed(s, n)
		s.stored, s.value, s.behind = n, n, nil
	}
	if s.ending || s.rotating { // whether it was done is decided now, once for all
		s.ended = !ok
	}
	s.ending, s.rotating = false, false
}

// missed notes the changes after n, which were written behind and are lost.
func (l *loop) missed(s *told, n int) {
	if n < s.value {
		l.behind++
	}
	for _, c := range s.behind {
		if c.value > n {
			l.late = max(l.late, l.ended.Sub(c.at))
		}
	}
}

func read(t *testing.T, store *sessile.Store, token string) (sessile.Session, bool) {
	t.Helper()
	tok, err := sessile.ParseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.ReadByToken(context.Background(), tok)
	if err != nil && !errors.Is(err, sessile.ErrNotFound) {
		t.Fatal(err)
	}
	return s, err == nil
}

func integrity(path string) error {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	result := ""
	err = sqlitex.ExecuteTransient(c, "PRAGMA integrity_check", &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		result += s.ColumnText(0)
		return nil
	}})
	if err == nil && result != "ok" {
		err = fmt.Errorf("integrity check: %s", result)
	}
	return errors.Join(err, c.Close())
}

func newLoop(t *testing.T, variant string) *loop {
	t.Helper()
	return &loop{t: t, path: filepath.Join(t.TempDir(), "kill.db"), variant: variant, sessions: make(map[string]*told)}
}

// TestKillNineUndoesNothing: I1, I2, I3 and D22 under kill -9 (R1), and how old the
// oldest change is that was written behind and lost (R14, I7).
func TestKillNineUndoesNothing(t *testing.T) {
	l := newLoop(t, "")
	for range *rounds {
		l.cycle(syscall.SIGKILL)
	}
	t.Logf("%d cycles, %d acknowledgements, %d sessions: creates lost %d, revocations undone %d, replaced tokens alive %d, corrupt %d; written behind and lost %d, the oldest %v before the kill at a batch interval of %v",
		*rounds, l.acks, len(l.sessions), l.lost, l.undone, l.resurected, l.corrupt, l.behind, l.late.Round(time.Millisecond), interval)
	if l.violations() > 0 {
		t.Fatal("promises were broken")
	}
}

// TestKillNineNoticesAnEarlyAcknowledgement is the negative control: a store
// that acknowledges a destroy before it is durable must be caught.
func TestKillNineNoticesAnEarlyAcknowledgement(t *testing.T) {
	notice(t, "early", syscall.SIGKILL, func(l *loop) int { return l.undone })
}

// notice runs a broken variant until it is noticed.
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
