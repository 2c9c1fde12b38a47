package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/sessile/sessile"
	_ "github.com/sessile/sessile/persist/sqlite" // registers the engine for sessile.Open
)

// health is the response of /healthz.
type health struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// away is the path of the store's file while another file is in its place. backup is the path of
// the backup.
func (r *run) away() string   { return r.db + ".away" }
func (r *run) backup() string { return r.db + ".backup" }

// startForTheFile logs in two devices. The backup contains them.
func (j *journey) startForTheFile() error {
	if err := j.Start(); err != nil {
		return err
	}
	if err := errors.Join(j.loginAs(j.laptop, user), j.loginAs(j.phone, user)); err != nil {
		return err
	}
	return j.Terminate()
}

// makeBackup copies the store while the demo is stopped, then starts the demo again.
func (j *journey) makeBackup() error {
	store, err := sessile.Open(j.ctx, sessile.Config{Path: j.db})
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	if err := errors.Join(store.Backup(j.ctx, j.backup()), store.Close()); err != nil {
		return fmt.Errorf("backing the store up: %w", err)
	}
	return j.Start()
}

// replaceFile moves the store's file away while the demo runs, and puts the backup in its place.
func (j *journey) replaceFile() error {
	if err := os.Rename(j.db, j.away()); err != nil {
		return fmt.Errorf("moving the file away: %w", err)
	}
	if err := copyFile(j.backup(), j.db); err != nil {
		return err
	}
	if _, err := j.keep(j.phone); err != nil {
		return err
	}
	if err := j.api(j.phone, http.StatusServiceUnavailable, "POST", "/api/logout", nil, nil); err != nil {
		return err
	}
	return j.eventually(http.StatusServiceUnavailable, "failed")
}

// putBack moves the file back. The demo recovers by itself. The logout that got an error before is
// now done.
func (j *journey) putBack() error {
	if err := os.Rename(j.away(), j.db); err != nil {
		return fmt.Errorf("putting the file back: %w", err)
	}
	if err := j.eventually(http.StatusOK, "ok"); err != nil {
		return err
	}
	if _, err := j.whoami(j.laptop); err != nil {
		return err
	}
	return j.loginAs(j.tablet, user) // the backup does not contain this login
}

// copyOver kills the demo and copies the backup over the file, which is the mistake that Restore
// prevents: the file then belongs to another store than the WAL beside it.
func (j *journey) copyOver() error {
	j.Kill()
	if err := copyFile(j.db, j.away()); err != nil {
		return err
	}
	if err := copyFile(j.backup(), j.db); err != nil {
		return err
	}
	if err := j.Start(); err == nil {
		return errors.New("the demo started with a backup beside the WAL of another file")
	}
	return copyFile(j.away(), j.db)
}

// restore replaces the file of the killed demo with the backup. Since the backup, the phone has
// logged out and the tablet has logged in.
func (j *journey) restore() error {
	r, err := sessile.Restore(j.ctx, j.backup(), j.db)
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	if r.Unreadable != nil || r.Revived != 1 || r.Lost != 1 || r.Replaced == "" || r.Made.IsZero() {
		return fmt.Errorf("the report of the restore is %+v", r)
	}
	return nil
}

func (j *journey) restored() error {
	if err := j.Start(); err != nil {
		return err
	}
	if _, err := j.whoami(j.laptop); err != nil {
		return err
	}
	phone := j.ended[len(j.ended)-1] // the report has announced it
	if _, err := j.whoami(phone); err != nil {
		return err
	}
	return errors.Join(j.refused(j.tablet), j.Terminate())
}

// eventually waits until /healthz returns a status and a state.
func (j *journey) eventually(status int, state string) error {
	var h health
	var err error
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); {
		if err = j.api(j.laptop, status, "GET", "/healthz", nil, &h); err == nil && h.State == state {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("the demo did not become %q: %+v", state, h), err)
}

// copyFile copies a file, as an operator would with cp.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
