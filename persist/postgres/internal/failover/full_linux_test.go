package failover

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist/postgres"
	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

const smallDisk = "SESSILE_FAILOVER_DISK" // set in the process that may mount a small disk

// onSmallDisk returns a directory with a disk of its own. It is "" in the process that only starts the one that may mount it.
func onSmallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	if os.Getenv(smallDisk) == "" {
		inNamespace(t)
		return ""
	}
	dir, err := os.MkdirTemp("", "sessile-disk-") //nolint:usetesting // the server's user cannot enter a directory of testing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=1777", megabytes))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// inNamespace runs the test again in a process whose mounts are its own. That takes root.
func inNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	t.Log(string(out))
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skip("only root can mount a small disk")
	case err != nil:
		t.Error(err)
	}
}

// fill leaves nothing free on the disk of a directory, until the function that it returns is called.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}

// incompressible returns a text of random characters.
func incompressible(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()
}

// The disk with the tables is full. Calls that need room fail with the server's reason, and the nodes work again when there is
// room.
func TestFullDiskOfTheTablesIsReportedUntilThereIsRoom(t *testing.T) {
	dir := onSmallDisk(t, 8)
	if dir == "" {
		return
	}
	s := server(t)
	space := filepath.Join(dir, "space")
	if err := s.Exec(t.Context(), `COPY (SELECT) TO PROGRAM 'mkdir `+space+`; cat >/dev/null'`, `CREATE TABLESPACE small LOCATION '`+space+`'`); err != nil {
		t.Fatal(err)
	}
	cfg := postgres.Config{URL: s.URL() + "&default_tablespace=small"}
	f := newFleet(t, cfg, cfg)
	f.run()
	free := fill(t, dir)
	full := time.Now()
	f.until("a node says why it is degraded", func() bool {
		h := f.nodes[0].Health()
		return h.State == sessile.HealthDegraded && h.LastError != nil && strings.Contains(h.LastError.Error(), "SQLSTATE 53100")
	})
	t.Logf("%v after the disk is full: %+v", time.Since(full), f.nodes[0].Health())
	_, _, err := f.nodes[0].CreateWith(t.Context(), sessile.NewSession{UserID: "big", Data: map[string]string{"x": incompressible(40_000)}})
	if !errors.Is(err, sessile.ErrUnavailable) || !strings.Contains(err.Error(), "SQLSTATE 53100") {
		t.Errorf("Create: %v, want ErrUnavailable and the server's reason", err)
	}
	<-time.After(2 * time.Second)
	free()
	f.fails()
	f.recovered(full, time.Now())
	f.pause()
	f.check()
	f.judge("a full disk of the tables")
}

// The disk with the write-ahead log is full, so the server ends itself. An operator makes room and starts it.
func TestFullDiskOfTheLogLosesNothing(t *testing.T) {
	dir := onSmallDisk(t, 160)
	if dir == "" {
		return
	}
	t.Setenv("TMPDIR", dir)
	s := server(t)
	f := newFleet(t, postgres.Config{URL: s.URL()}, postgres.Config{URL: s.URL()})
	f.run()
	free := fill(t, dir)
	full := time.Now()
	overflow(t, s)
	f.fails()
	f.until("a node is degraded", func() bool { return f.nodes[0].Health().State == sessile.HealthDegraded })
	t.Logf("%v after the disk is full: %+v", time.Since(full), f.nodes[0].Health())
	<-time.After(2 * time.Second)
	free()
	if t.Logf("the server has ended: %v", s.Ended()); s.Ended() {
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	f.recovered(full, time.Now())
	f.pause()
	f.check()
	f.judge("a full disk of the write-ahead log")
}

// overflow fills the write-ahead log until the server ends the connection.
func overflow(t *testing.T, s *postgrestest.Server) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Logf("the server ends before: %v", err)
		return
	}
	defer c.Close(context.Background())
	for err == nil {
		_, err = c.Exec(t.Context(), `SELECT pg_logical_emit_message(false, 'filler', repeat('x', 1000000))`)
	}
	t.Logf("the server: %v", err)
}
