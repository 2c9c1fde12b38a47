package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// flush counts, then waits until nothing is pending, so that the count is on disk.
func (j *journey) flush() error {
	if err := j.countOne(j.laptop, j.counted+1); err != nil {
		return err
	}
	j.counted++
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); {
		var s stats
		if err := j.api(j.laptop, http.StatusOK, "GET", "/api/stats", nil, &s); err != nil {
			return err
		}
		if s.Pending == 0 {
			j.flushed = j.counted
			return nil
		}
	}
	return errors.New("changes stayed pending")
}

func (j *journey) crash() error {
	if err := j.countOne(j.laptop, j.counted+1); err != nil {
		return err
	}
	j.counted++
	j.Kill()
	return j.Start()
}

func (j *journey) survives() error {
	_, err := j.whoami(j.laptop)
	return err
}

func (j *journey) behind() error {
	now, err := j.whoami(j.laptop)
	if err != nil {
		return err
	}
	if now.Count < j.flushed || now.Count > j.counted {
		return fmt.Errorf("the counter is %d, want %d (on disk) to %d (counted)", now.Count, j.flushed, j.counted)
	}
	return nil
}

func (j *journey) stillRefused() error {
	var all error
	for _, d := range j.ended {
		all = errors.Join(all, j.refused(d))
	}
	return all
}

func (j *journey) logout() error {
	copied, err := j.keep(j.laptop)
	if err != nil {
		return err
	}
	if err := j.api(j.laptop, http.StatusNoContent, "POST", "/api/logout", nil, nil); err != nil {
		return err
	}
	if left := j.laptop.cookies(j.URL()); len(left) != 0 {
		return fmt.Errorf("the laptop still has %d cookies", len(left))
	}
	return errors.Join(j.refused(copied), j.refused(j.laptop))
}

func (j *journey) terminateAfterCount() error {
	if err := j.loginAs(j.laptop, user); err != nil {
		return err
	}
	for j.counted = 0; j.counted < 5; {
		if err := j.countOne(j.laptop, j.counted+1); err != nil {
			return err
		}
		j.counted++
	}
	return j.Terminate()
}

func (j *journey) nothingLost() error {
	if err := j.Start(); err != nil {
		return err
	}
	now, err := j.whoami(j.laptop)
	if err != nil {
		return err
	}
	if now.Count != j.counted {
		return fmt.Errorf("the counter is %d, was %d before SIGTERM", now.Count, j.counted)
	}
	return nil
}

func (j *journey) control() error { return j.refused(j.laptop) }
