//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package admin_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
)

// opened is a logger that tells when the socket is open.
type opened struct {
	slog.Handler
	ready chan struct{}
}

func (o opened) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "admin socket opened" {
		close(o.ready)
	}
	return nil
}

func (o opened) Enabled(context.Context, slog.Level) bool { return true }

// server is a running ListenUnix.
type server struct {
	*testing.T
	client *http.Client
	stop   func() error
}

// listen serves on a socket in a new directory, where the test then works: paths of sockets are
// short.
func listen(t *testing.T, path string, store *sessile.Store, o admin.Options) *server {
	t.Helper()
	ready := make(chan struct{})
	o.Logger = slog.New(opened{slog.DiscardHandler, ready})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- admin.ListenUnix(ctx, path, store, o) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("ListenUnix: %v", err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	s := &server{t, &http.Client{Transport: transport}, func() error {
		transport.CloseIdleConnections()
		cancel()
		err := <-done
		done <- err
		return err
	}}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) call(method, path string, header ...string) (int, string) {
	s.Helper()
	return call(s.Context(), s.T, s.client, method, "http://socket"+path, header...)
}

func storeInNewDir(t *testing.T) *sessile.Store {
	t.Helper()
	store := openStore(t, sessile.Config{})
	t.Chdir(t.TempDir())
	return store
}

func TestListenUnixServesItsUserAloneAndLeavesNothing(t *testing.T) {
	store := storeInNewDir(t)
	old := syscall.Umask(0) // the mode must not depend on it
	s := listen(t, "a.sock", store, admin.Options{})
	syscall.Umask(old)
	info, err := os.Lstat("a.sock")
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if status, body := s.call(http.MethodGet, "/api/health"); status != http.StatusOK || !strings.Contains(body, `"ok"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.call(http.MethodPost, "/api/sync", "Sessile-Admin", "1"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir("."); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestListenUnixAsksAuthorizeIfThereIsOne(t *testing.T) {
	s := listen(t, "a.sock", storeInNewDir(t), admin.Options{Authorize: func(*http.Request) error { return errors.New("no") }})
	if status, _ := s.call(http.MethodGet, "/api/health"); status != http.StatusForbidden {
		t.Error(status)
	}
}

func TestListenUnixEndsItsStreams(t *testing.T) {
	s := listen(t, "a.sock", storeInNewDir(t), admin.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://socket/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestListenUnixRefusesAPathThatSomebodyUses(t *testing.T) {
	store := storeInNewDir(t)
	first := listen(t, "a.sock", store, admin.Options{})
	err := admin.ListenUnix(t.Context(), "a.sock", store, admin.Options{})
	if err == nil || !strings.Contains(err.Error(), "another process serves it") {
		t.Errorf("a second one: %v", err)
	}
	if status, _ := first.call(http.MethodGet, "/api/health"); status != http.StatusOK {
		t.Errorf("the first: %d", status)
	}
	foreign, err := new(net.ListenConfig).Listen(t.Context(), "unix", "foreign.sock") // without our lock
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := admin.ListenUnix(t.Context(), "foreign.sock", store, admin.Options{}); err == nil {
		t.Error("a socket of another program was taken over")
	}
}

func TestListenUnixLetsOneOfManyListenersWin(t *testing.T) {
	store := storeInNewDir(t)
	abandon(t, "a.sock")
	ctx, cancel := context.WithCancel(t.Context())
	const all = 16
	done, ready := make(chan error, all), make(chan struct{})
	o := admin.Options{Logger: slog.New(opened{slog.DiscardHandler, ready})} // two winners would close it twice
	for range all {
		go func() { done <- admin.ListenUnix(ctx, "a.sock", store, o) }()
	}
	for range all - 1 {
		if err := <-done; err == nil {
			t.Error("a listener ended without an error")
		}
	}
	<-ready
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir("."); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// abandon leaves a socket as a killed process does.
func abandon(t *testing.T, path string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	l.Close()
}

func TestListenUnixReplacesAnAbandonedSocketAlone(t *testing.T) {
	store := storeInNewDir(t)
	abandon(t, "a.sock")
	if err := os.WriteFile("a.sock.lock", nil, 0o600); err != nil { // also left behind
		t.Fatal(err)
	}
	if status, _ := listen(t, "a.sock", store, admin.Options{}).call(http.MethodGet, "/api/health"); status != http.StatusOK {
		t.Errorf("an abandoned socket: %d", status)
	}
	for path, prepare := range map[string]func() error{
		"file":    func() error { return os.WriteFile("file", []byte("mine"), 0o600) },
		"dir":     func() error { return os.Mkdir("dir", 0o700) },
		"link":    func() error { return os.Symlink("a.sock", "link") },
		"dangles": func() error { return os.Symlink("nowhere", "dangles") },
		"fifo":    func() error { return syscall.Mkfifo("fifo", 0o600) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Lstat(path)
		if err := admin.ListenUnix(t.Context(), path, store, admin.Options{}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", path, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was touched: %v", path, err)
		}
	}
}

func TestListenUnixRefusesALockThatIsALink(t *testing.T) {
	store := storeInNewDir(t)
	if err := os.Symlink("victim", "a.sock.lock"); err != nil {
		t.Fatal(err)
	}
	if err := admin.ListenUnix(t.Context(), "a.sock", store, admin.Options{}); err == nil {
		t.Error("the link was followed")
	}
	if _, err := os.Lstat("victim"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target of the link: %v", err)
	}
}

func TestListenUnixKeepsAFileThatReplacedItsSocket(t *testing.T) {
	s := listen(t, "a.sock", storeInNewDir(t), admin.Options{})
	if err := os.Remove("a.sock"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("a.sock", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile("a.sock"); err != nil || string(raw) != "mine" {
		t.Errorf("%q, %v", raw, err)
	}
}

func TestListenUnixSaysThatAPathIsTooLong(t *testing.T) {
	store := storeInNewDir(t)
	err := admin.ListenUnix(t.Context(), strings.Repeat("x", 104), store, admin.Options{})
	if err == nil || !strings.Contains(err.Error(), "104 bytes (limit 103)") {
		t.Error(err)
	}
	if err := admin.ListenUnix(t.Context(), "nowhere/a.sock", store, admin.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
