package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/control"
	"github.com/sessile/sessile/cmd/sessile/internal/terminal"
	"github.com/sessile/sessile/persist/sqlite"
)

// finding is what one check found.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, warning or failure
	Text  string `json:"text"`
}

// The states of a finding.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateFailure = "failure"
)

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check integrity, schema, permissions, disk, clock and lock", GroupID: groupFile,
		Long: `Checks the session file and what is around it, and changes nothing. The store
may run meanwhile. The exit code is 6 if a check fails; warnings do not count.`,
		Args: arguments(0, 0, "no arguments"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			if a.target.Database != "" || a.target.Socket != "" {
				return fmt.Errorf("%w (doctor needs --db)", errNoFile)
			}
			p := a.Start("Checking "+terminal.Quote(a.target.File), nil)
			found := a.examine(c.Context())
			p.Stop()
			return a.printFindings(found)
		},
	}
}

// printFindings prints a line for each check, and returns errUnhealthy if one failed.
func (a *app) printFindings(found []finding) error {
	bad := 0
	var rows [][]string
	for _, f := range found {
		if f.State == stateFailure {
			bad++
		}
		if f.State != stateOK || !a.quiet {
			rows = append(rows, []string{f.Check, f.State, terminal.Clean(f.Text)})
		}
	}
	if a.output == "json" {
		if err := a.printJSON(found); err != nil {
			return err
		}
	} else if len(rows) > 0 {
		for _, r := range rows {
			fmt.Fprintf(a.Out, "%-12s %-8s %s\n", r[0], r[1], hang(r[2], 22, terminal.Width(a.Out)))
		}
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of %d checks failed", errUnhealthy, bad, len(found))
	}
	return nil
}

// examine runs the checks. Those that need a file do not run without one.
func (a *app) examine(ctx context.Context) []finding {
	path := a.target.File
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		text := "it is not a regular file"
		if err != nil {
			text = err.Error()
		}
		return []finding{{"file", stateFailure, text}}
	}
	found := []finding{{"file", stateOK, fmt.Sprintf("%s, %s", path, size(info.Size()))}}
	found = append(found, checkPermissions(path, info), checkFileSystem(path), checkSpace(path, info.Size()), a.checkStore(ctx))
	e, err := examineFile(ctx, path)
	found = append(found, checkIntegrity(e, err))
	if err == nil {
		found = append(found, checkSchema(e), checkClock(e, time.Now()))
	}
	return append(found, checkWAL(path, info.Size()), checkRestore(path))
}

// A store that opens or closes the file replaces its files meanwhile, which is no damage.
const (
	settleWait  = 2 * time.Second
	settleEvery = 50 * time.Millisecond
)

// examineFile examines the file. If that fails while a process has the file open, it tries again: the
// store may be starting or closing.
func examineFile(ctx context.Context, path string) (sqlite.Examination, error) {
	for began := time.Now(); ; {
		before, _ := sqlite.Holder(path) // unknown on some systems
		e, err := sqlite.Examine(ctx, path)
		after, _ := sqlite.Holder(path)
		if err == nil || before+after == "" || time.Since(began) > settleWait {
			return e, err
		}
		select {
		case <-ctx.Done():
			return e, err
		case <-time.After(settleEvery):
		}
	}
}

// checkPermissions looks at the mode and the owner of the file, and at its directory.
func checkPermissions(path string, info fs.FileInfo) finding {
	f := finding{"permissions", stateOK, fmt.Sprintf("mode %04o", info.Mode().Perm())}
	var faults []string
	if err := control.CheckOwner(path); err != nil {
		faults = append(faults, err.Error())
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		if beside, err := os.Lstat(path + suffix); err == nil && beside.Mode().Perm()&0o077 != 0 && onUnix {
			faults = append(faults, fmt.Sprintf("%s has mode %04o: others can read it or write it: chmod 600", path+suffix, beside.Mode().Perm()))
		}
	}
	if dir, err := os.Stat(directory(path)); err == nil && dir.Mode().Perm()&0o022 != 0 && dir.Mode()&fs.ModeSticky == 0 && onUnix {
		faults = append(faults, fmt.Sprintf("the directory %s has mode %04o: others can replace the file", directory(path), dir.Mode().Perm()))
	}
	if len(faults) > 0 {
		f.State, f.Text = stateFailure, strings.Join(faults, "\n")
	}
	return f
}

// checkStore says who has the file open, and how a store that runs is.
func (a *app) checkStore(ctx context.Context) finding {
	store, err := a.target.Dial(ctx)
	if errors.Is(err, control.ErrNotRunning) {
		return a.checkLock(err)
	}
	if err != nil {
		return finding{"store", stateFailure, err.Error()}
	}
	defer store.Close()
	raw, err := store.Stats(ctx)
	if err != nil {
		return finding{"store", stateFailure, err.Error()}
	}
	s, err := control.ParseSnapshot(raw)
	if err != nil {
		return finding{"store", stateFailure, err.Error()}
	}
	state := map[string]string{"ok": stateOK, "degraded": stateWarning}[s.Health.State]
	if state == "" {
		state = stateFailure
	}
	return finding{"store", state, "it runs, and its health is " + health(s)}
}

// checkLock says whether a process without an admin socket has the file open.
func (a *app) checkLock(none error) finding {
	holder, err := sqlite.Holder(a.target.File)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return finding{"lock", stateOK, "unknown on this system: " + none.Error()}
	case err != nil:
		return finding{"lock", stateFailure, err.Error()}
	case holder != "":
		return finding{"lock", stateWarning, fmt.Sprintf("process %s has the file open and serves no admin socket (%v)", holder, none)}
	}
	if _, err := os.Lstat(a.target.SocketPath()); err == nil {
		return finding{"lock", stateOK, "free; the store that left its socket was killed, and the next one removes it"}
	}
	return finding{"lock", stateOK, "free: no store runs"}
}

func checkIntegrity(e sqlite.Examination, err error) finding {
	switch {
	case errors.Is(err, sessile.ErrForeignWAL):
		return finding{"integrity", stateFailure, err.Error() + "\nsessile restore BACKUP puts a backup in place"}
	case err != nil:
		return finding{"integrity", stateFailure, err.Error()}
	case len(e.Damage) > 0:
		return finding{"integrity", stateFailure, strings.Join(e.Damage, "\n") + "\nrestore a backup, and keep this file"}
	}
	return finding{"integrity", stateOK, fmt.Sprintf("%s stored, every page and index is intact", sessions(e.Sessions))}
}

func checkSchema(e sqlite.Examination) finding {
	text := fmt.Sprintf("%d, the newest that this command knows", e.Schema)
	if e.Schema < e.Newest {
		return finding{"schema", stateWarning, fmt.Sprintf("%d, and this command has %d: the next store that opens the file migrates it, as sessile migrate does", e.Schema, e.Newest)}
	}
	if e.Made != 0 {
		return finding{"schema", stateWarning, text + "; the file is a backup of " + time.UnixMicro(e.Made).Local().Format(time.DateTime)}
	}
	return finding{"schema", stateOK, text}
}

// clockSlack is how far the clock of the latest commit may be ahead: it is that of the same machine.
const clockSlack = 5 * time.Second

func checkClock(e sqlite.Examination, now time.Time) finding {
	if e.Clock == 0 {
		return finding{"clock", stateOK, "the file has no commit with a time yet"}
	}
	last := time.UnixMicro(e.Clock)
	if ahead := last.Sub(now); ahead > clockSlack {
		return finding{"clock", stateWarning, fmt.Sprintf("the latest commit is %s in the future: the clock was set back, and the store's time stands still until it has caught up", span(ahead))}
	}
	return finding{"clock", stateOK, "the latest commit was " + when(last, now)}
}

// largeWAL is the size from which a store truncates its write-ahead log.
const largeWAL = 64 << 20

func checkWAL(path string, file int64) finding {
	info, err := os.Stat(path + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding{"wal", stateOK, "there is none: the last store was closed"}
	case err != nil:
		return finding{"wal", stateFailure, err.Error()}
	case info.Size() > largeWAL && info.Size() > 4*file:
		return finding{"wal", stateWarning, fmt.Sprintf("it has grown to %s: a program that reads the file for long keeps it from shrinking", size(info.Size()))}
	}
	return finding{"wal", stateOK, size(info.Size())}
}

func checkRestore(path string) finding {
	if _, err := os.Lstat(path + ".restoring"); err == nil {
		return finding{"restore", stateWarning, "a restore was interrupted: the next store that opens the file finishes it"}
	}
	if _, err := os.Lstat(path + ".restoring.partial"); err == nil {
		return finding{"restore", stateWarning, "a restore runs, or was interrupted before it changed anything: " + path + ".restoring.partial can be deleted then"}
	}
	return finding{"restore", stateOK, "none was interrupted"}
}
