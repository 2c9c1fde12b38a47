package main

import (
	"errors"
	"fmt"
	"net/http"
)

// The demo's account, and the password that its login page shows.
const (
	user     = "alice"
	password = "sessile-demo"
)

// The parts of the demo's JSON that the steps read.
type (
	me struct {
		User    string         `json:"user"`
		Count   int            `json:"count"`
		Cart    map[string]int `json:"cart"`
		Session struct {
			ID string `json:"id"`
		} `json:"session"`
	}
	listed struct {
		ID         string `json:"id"`
		DeviceName string `json:"device_name"`
		Current    bool   `json:"current"`
	}
	stats struct {
		Pending int `json:"pending"`
	}
)

// journey is the state that one step leaves to the next.
type journey struct {
	*run
	laptop, phone, tablet *device
	ended                 []*device // replayed cookies that must be refused for ever
	flushed, counted      int       // the laptop's counter: certainly on disk, and last seen
}

// steps are the journey.
func (j *journey) steps() []step {
	return []step{
		{"the demo starts with a new file and is healthy", j.startHealthy},
		{"without a cookie, /api/me is refused", j.anonymous},
		{"a wrong password is refused", j.wrongPassword},
		{"three devices log in", j.login},
		{"each device has its own counter", j.count},
		{"the list names three devices and marks the current one", j.list},
		{"rotation: the new cookie works, the old one is refused", j.rotate},
		{"a device logs out another by ID; a foreign ID is not found", j.revoke},
		{"the command lists and revokes sessions beside the demo; their cookies are refused", j.revokeByCommand},
		{"logging out other devices ends only those", j.logoutOthers},
		{"the counter is on disk when nothing is pending", j.flush},
		{"SIGKILL right after another count; the demo restarts", j.crash},
		{"the surviving session still works", j.survives},
		{"the counter is at most one batch interval behind", j.behind},
		{"every logged-out or replaced cookie is still refused", j.stillRefused},
		{"log out; replaying the cookie gives 401", j.logout},
		{"log in again, count, SIGTERM: the demo exits with 0", j.terminateAfterCount},
		{"after the restart nothing is lost", j.nothingLost},
		{"and every ended cookie is still refused", j.stillRefused},
		{"SIGTERM stops it again", j.Terminate},
		{"a laptop and a phone log in; SIGTERM", j.startForTheFile},
		{"a backup is made, and the demo restarts", j.makeBackup},
		{"another file replaces the store's: a logout gets an error, and health is failed", j.replaceFile},
		{"the file is put back: the demo recovers by itself", j.putBack},
		{"the logout that got an error is done after all", j.stillRefused},
		{"SIGKILL, then the backup copied over the file: the demo refuses to start", j.copyOver},
		{"a restore beside the killed demo's WAL reports what it revives and what it loses", j.restore},
		{"the demo starts with the sessions of the backup, and no others", j.restored},
	}
}

func (j *journey) startHealthy() error {
	if err := j.Start(); err != nil {
		return err
	}
	var err error
	if j.laptop, err = newDevice("laptop", laptopAgent); err != nil {
		return err
	}
	if j.phone, err = newDevice("phone", phoneAgent); err != nil {
		return err
	}
	if j.tablet, err = newDevice("tablet", tabletAgent); err != nil {
		return err
	}
	return j.api(j.laptop, http.StatusOK, "GET", "/healthz", nil, nil)
}

func (j *journey) anonymous() error {
	return j.api(j.laptop, http.StatusUnauthorized, "GET", "/api/me", nil, nil)
}

func (j *journey) wrongPassword() error {
	for _, name := range []string{user, "nobody"} {
		body := map[string]string{"name": name, "password": "not it"}
		if err := j.api(j.laptop, http.StatusUnauthorized, "POST", "/api/login", body, nil); err != nil {
			return err
		}
	}
	return nil
}

func (j *journey) login() error {
	for _, d := range []*device{j.laptop, j.phone, j.tablet} {
		if err := j.loginAs(d, user); err != nil {
			return err
		}
	}
	return nil
}

func (j *journey) count() error {
	for i, d := range []*device{j.laptop, j.phone, j.tablet} {
		for n := 1; n <= i+2; n++ {
			if err := j.countOne(d, n); err != nil {
				return err
			}
		}
	}
	j.counted = 2
	return nil
}

func (j *journey) list() error {
	var devices []listed
	if err := j.api(j.phone, http.StatusOK, "GET", "/api/sessions", nil, &devices); err != nil {
		return err
	}
	own, err := j.whoami(j.phone)
	if err != nil {
		return err
	}
	if len(devices) != 3 {
		return fmt.Errorf("%d devices are listed", len(devices))
	}
	names := make(map[string]bool)
	for _, d := range devices {
		names[d.DeviceName] = true
		if d.Current != (d.ID == own.Session.ID) {
			return fmt.Errorf("%s is marked current: %v", d.DeviceName, d.Current)
		}
	}
	if len(names) != 3 {
		return fmt.Errorf("the devices' names are %v", names)
	}
	return nil
}

func (j *journey) rotate() error {
	before, err := j.whoami(j.laptop)
	if err != nil {
		return err
	}
	old, err := j.keep(j.laptop)
	if err != nil {
		return err
	}
	if err := j.api(j.laptop, http.StatusNoContent, "POST", "/api/rotate", nil, nil); err != nil {
		return err
	}
	after, err := j.whoami(j.laptop)
	if err != nil {
		return err
	}
	if after.Session != before.Session || after.Count != before.Count {
		return fmt.Errorf("rotation changed the session from %+v to %+v", before, after)
	}
	return j.refused(old)
}

func (j *journey) revoke() error {
	guest, err := newDevice("other user's device", tabletAgent)
	if err != nil {
		return err
	}
	if err := j.loginAs(guest, "bob"); err != nil {
		return err
	}
	extra, err := newDevice("second tablet", tabletAgent)
	if err != nil {
		return err
	}
	if err := j.loginAs(extra, user); err != nil {
		return err
	}
	target, err := j.whoami(extra)
	if err != nil {
		return err
	}
	if _, err := j.keep(extra); err != nil {
		return err
	}
	path := "/api/sessions/" + target.Session.ID
	if err := j.api(guest, http.StatusNotFound, "DELETE", path, nil, nil); err != nil {
		return err
	}
	if _, err := j.whoami(extra); err != nil {
		return fmt.Errorf("after another user tried to revoke it: %w", err)
	}
	if err := j.api(j.laptop, http.StatusNoContent, "DELETE", path, nil, nil); err != nil {
		return err
	}
	return j.refused(extra)
}

func (j *journey) logoutOthers() error {
	for _, d := range []*device{j.phone, j.tablet} {
		if _, err := j.keep(d); err != nil {
			return err
		}
	}
	var ended struct{ Destroyed int }
	if err := j.api(j.laptop, http.StatusOK, "POST", "/api/logout-others", nil, &ended); err != nil {
		return err
	}
	if ended.Destroyed != 2 {
		return fmt.Errorf("%d sessions were ended", ended.Destroyed)
	}
	if _, err := j.whoami(j.laptop); err != nil {
		return err
	}
	return errors.Join(j.refused(j.phone), j.refused(j.tablet))
}
