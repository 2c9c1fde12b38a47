package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
	_ "github.com/sessile/sessile/persist/sqlite" // registers the engine for sessile.Open
)

// asCommand is set in the environment of a child that is the command.
const asCommand = "TEST_OF_SESSILE"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(Main())
	}
	if path := os.Getenv(asChurn); path != "" {
		churn(path)
	}
	goleak.VerifyTestMain(m)
}

// noSleep has a child with the race detector not sleep for a second before it ends.
const noSleep = "GORACE=atexit_sleep_ms=0"

// asChurn names, in the environment of a child, the file that the child opens and closes again and again.
const asChurn = "TEST_OF_SESSILE_CHURN"

// churn opens and closes a store until its input ends.
func churn(path string) {
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	for {
		s, err := sessile.Open(context.Background(), sessile.Config{Path: path, Slog: slog.New(slog.DiscardHandler)})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if err := s.Close(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// evil acts on a terminal that shows it as it is.
const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202egnirts\u2066 Firefox/140.0"

// fixture is a session file, with or without a store that runs.
type fixture struct {
	*testing.T
	file  string
	store *sessile.Store // nil while no store runs

	database string // URL of a database that replaces the file
}

// setUp returns the file of a closed store with two sessions of ann and one of a hostile user.
func setUp(t *testing.T) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "cli") //nolint:usetesting // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	f := &fixture{T: t, file: filepath.Join(dir, "s.db")}
	f.open()
	f.login("ann", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	f.login("ann", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1")
	f.login("eve\u202e\x1b[31m", evil)
	f.close()
	return f
}

func (f *fixture) open() {
	f.Helper()
	var err error
	if f.store, err = sessile.Open(f.Context(), sessile.Config{Path: f.file, Slog: slog.New(slog.DiscardHandler)}); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) login(user, agent string) (sessile.Session, sessile.Token) {
	f.Helper()
	s, token, err := f.store.Create(f.Context(), sessile.Meta{IPAddress: "192.0.2.1", UserAgent: agent, DeviceName: agent}, user, nil)
	if err != nil {
		f.Fatal(err)
	}
	return s, token
}

func (f *fixture) close() {
	f.Helper()
	if err := f.store.Close(); err != nil {
		f.Fatal(err)
	}
	f.store = nil
}

// serve opens the store and its socket. Cleanup ends both.
func (f *fixture) serve() {
	f.Helper()
	f.open()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	opened := make(chan struct{})
	log := slog.New(opening{slog.DiscardHandler, opened})
	go func() {
		ended <- admin.ListenUnix(ctx, admin.SocketPath(f.file), f.store, admin.Options{Logger: log})
	}()
	select {
	case <-opened:
	case err := <-ended:
		f.Fatal(err)
	}
	f.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, f.store.Close()); err != nil {
			f.Error(err)
		}
	})
}

// opening is a log that notices the line about the socket.
type opening struct {
	slog.Handler
	opened chan struct{}
}

func (o opening) Enabled(context.Context, slog.Level) bool { return true }
func (o opening) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "admin socket opened" {
		close(o.opened)
	}
	return nil
}

// result is how a command ended.
type result struct {
	code     int
	out, err string
}

// command returns a command in a process of its own.
func (f *fixture) command(args ...string) *exec.Cmd {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	f.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = []string{asCommand + "=1", noSleep, "TZ=UTC", "SESSILE_STORE_PATH=" + f.file, "SESSILE_DATABASE=" + f.database}
	return c
}

func (f *fixture) run(args ...string) result {
	f.Helper()
	c := f.command(args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		f.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), out.String(), errs.String()}
}

// want runs a command that must end with a code, and returns its output.
func (f *fixture) want(code int, args ...string) string {
	f.Helper()
	r := f.run(args...)
	if r.code != code {
		f.Fatalf("%v exits with %d, want %d\n%s%s", args, r.code, code, r.out, r.err)
	}
	f.visible(r.out+r.err, args)
	return r.out
}

// visible fails the test if a text could act on a terminal.
func (f *fixture) visible(text string, args []string) {
	f.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			f.Errorf("%v prints %q", args, text)
			return
		}
	}
}

// ids returns the sessions of a user, the newest first.
func (f *fixture) ids(user string) []string {
	f.Helper()
	args := []string{"list", "-q"}
	if user != "" {
		args = append(args, "--user", user)
	}
	return strings.Fields(f.want(exitOK, args...))
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// both runs a test over a file alone and beside a store that runs.
func both(t *testing.T, do func(*fixture)) {
	t.Helper()
	t.Run("file", func(t *testing.T) { f := setUp(t); f.T = t; do(f) })
	t.Run("socket", func(t *testing.T) { f := setUp(t); f.T = t; f.serve(); do(f) })
}
