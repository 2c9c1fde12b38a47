package main

import (
	"fmt"
	"net/http"
)

// api calls the server that is running now.
func (j *journey) api(d *device, want int, method, path string, body, into any) error {
	return d.call(j.ctx, want, method, j.URL()+path, body, into)
}

func (j *journey) loginAs(d *device, name string) error {
	body := map[string]string{"name": name, "password": password}
	return j.api(d, http.StatusOK, "POST", "/api/login", body, nil)
}

func (j *journey) whoami(d *device) (me, error) {
	var m me
	err := j.api(d, http.StatusOK, "GET", "/api/me", nil, &m)
	return m, err
}

// countOne counts once and checks the result.
func (j *journey) countOne(d *device, want int) error {
	var answer struct{ Count int }
	if err := j.api(d, http.StatusOK, "POST", "/api/count", nil, &answer); err != nil {
		return err
	}
	if answer.Count != want {
		return fmt.Errorf("%s: the counter is %d, want %d", d.name, answer.Count, want)
	}
	return nil
}

// keep copies the cookie of a device before it is invalidated.
func (j *journey) keep(d *device) (*device, error) {
	copied, err := d.replay(j.URL())
	if err != nil {
		return nil, err
	}
	if _, err := j.whoami(copied); err != nil {
		return nil, fmt.Errorf("before its cookie was invalidated: %w", err)
	}
	j.ended = append(j.ended, copied)
	return copied, nil
}

// refused checks that a device is not logged in. If it has cookies, the call uses a copy of them:
// otherwise the removal cookie in the response would make the next check pass for free.
func (j *journey) refused(d *device) error {
	if copied, err := d.replay(j.URL()); err == nil {
		d = copied
	}
	return j.api(d, http.StatusUnauthorized, "GET", "/api/me", nil, nil)
}
