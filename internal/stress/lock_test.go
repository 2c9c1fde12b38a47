package stress

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
)

var held = flag.Duration("stress.lock", 3*time.Second, "how long another process holds the file's lock")

const lockedFile = "SESSILE_STRESS_LOCK" // set in the process that holds the lock

func TestMain(m *testing.M) {
	if path := os.Getenv(lockedFile); path != "" {
		if err := holdLock(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// holdLock holds the database's write lock until its input ends.
func holdLock(path string) error {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	if err := sqlitex.ExecuteTransient(c, "BEGIN EXCLUSIVE", nil); err != nil {
		return err
	}
	fmt.Println("locked")
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // ends with the parent process
	return errors.Join(sqlitex.ExecuteTransient(c, "ROLLBACK", nil), c.Close())
}

// lock makes another process hold the lock until free is called.
func lock(t *testing.T, path string) (free func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), lockedFile+"="+path), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Fatal(err)
		}
	}
}

// Another process, for example a backup tool, holds the database's lock for seconds. No call outlives its
// context. Sessions in memory are read and changed as usual. A second store is refused at once. Afterwards
// everything is written.
func TestStressForeignLockDelaysWritesOnly(t *testing.T) { // D16, D24, I9, R16
	s := newOutage(t, harness.Setup{Path: filepath.Join(t.TempDir(), "s.db"), Hot: 100, Max: 20}, rand.Uint64())
	s.steps(false, 40)
	_, hot, err := s.store.Create(context.Background(), sessile.Meta{}, "hot", nil)
	if err != nil {
		t.Fatal(err)
	}
	free := lock(t, s.setup.Path)
	reads := 0
	for began := time.Now(); time.Since(began) < *held; reads++ {
		s.steps(true, 1)
		if _, err := s.store.ReadByToken(context.Background(), hot); err != nil {
			t.Fatalf("a hot read: %v", err)
		}
	}
	began := time.Now()
	if _, err := sessile.Open(context.Background(), sessile.Config{Path: s.setup.Path}); !errors.Is(err, sessile.ErrLocked) {
		t.Errorf("a second store: %v", err)
	}
	if d := time.Since(began); d > slack {
		t.Errorf("a second store was refused after %v", d)
	}
	free()
	failed := s.failed
	if err := s.store.Destroy(context.Background(), mustRead(t, s.store, hot).ID()); err != nil {
		t.Error(err)
	}
	s.recovered()
	s.none()
	t.Logf("locked for %v: %d hot reads, %d calls failed, none late", *held, reads, failed)
	if failed == 0 {
		t.Error("the lock was not felt")
	}
}

func mustRead(t *testing.T, store *sessile.Store, token sessile.Token) sessile.Session {
	t.Helper()
	s, err := store.ReadByToken(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
