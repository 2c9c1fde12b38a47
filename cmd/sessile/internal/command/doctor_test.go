package command

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestDoctorFindsNothingInASoundStore(t *testing.T) {
	both(t, func(f *fixture) {
		if out := f.want(exitOK, "doctor"); strings.Contains(out, "failure") {
			f.Error(out)
		}
	})
}

func TestDoctorFindsFaults(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(*fixture)
		shows string
	}{
		"a damaged file": {func(f *fixture) { f.change(`DELETE FROM activity WHERE key = 1`) }, "integrity    failure"},
		"open to others": {func(f *fixture) {
			if err := os.Chmod(f.file, 0o644); err != nil {
				f.Fatal(err)
			}
		}, "permissions  failure"},
		"no store": {func(f *fixture) {
			if err := os.WriteFile(f.file, []byte("something else, that is longer than a header"), 0o600); err != nil {
				f.Fatal(err)
			}
		}, "integrity    failure"},
		"no file": {func(f *fixture) {
			if err := os.Remove(f.file); err != nil {
				f.Fatal(err)
			}
		}, "file         failure"},
	} {
		t.Run(name, func(t *testing.T) {
			f := setUp(t)
			f.T = t
			c.do(f)
			if out := f.want(exitUnhealthy, "doctor"); !strings.Contains(out, c.shows) {
				t.Error(out)
			}
		})
	}
}

// While a store starts or closes, its files change under the doctor.
func TestDoctorFindsNothingWhileAStoreStartsAndCloses(t *testing.T) {
	f := setUp(t)
	store := exec.CommandContext(t.Context(), os.Args[0])
	store.Env = []string{noSleep, asChurn + "=" + f.file}
	end, err := store.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var says bytes.Buffer
	store.Stdout = &says
	if err := store.Start(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if out := f.want(exitOK, "doctor"); strings.Contains(out, "failure") {
			t.Error(out)
		}
	}
	if err := errors.Join(end.Close(), store.Wait()); err != nil {
		t.Errorf("%v: %s", err, says.String())
	}
}

func TestDoctorNoticesAClockThatWasSetBack(t *testing.T) {
	f := setUp(t)
	f.change(`UPDATE meta SET value = x'7fffffffffffff00' WHERE name = 'clock'`)
	if out := f.want(exitOK, "doctor"); !strings.Contains(out, "clock        warning") {
		t.Error(out)
	}
}
