package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// sessile runs another command beside the demo and returns what it prints.
func (j *journey) sessile(args ...string) (string, error) {
	out, err := exec.CommandContext(j.ctx, j.bin, append(args, "--db", j.db)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("sessile %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// revokeByCommand ends the sessions of two users from outside of the demo: one by ID, one by user.
func (j *journey) revokeByCommand() error {
	carol, err := newDevice("carol's laptop", laptopAgent)
	if err != nil {
		return err
	}
	for _, by := range []func() ([]string, error){j.byID, func() ([]string, error) { return []string{"--user", "carol"}, nil }} {
		if err := j.loginAs(carol, "carol"); err != nil {
			return err
		}
		if _, err := j.keep(carol); err != nil {
			return err
		}
		target, err := by()
		if err != nil {
			return err
		}
		if _, err := j.sessile(append([]string{"revoke", "--yes"}, target...)...); err != nil {
			return err
		}
		if err := j.refused(carol); err != nil {
			return err
		}
	}
	_, err = j.whoami(j.laptop)
	_, sick := j.sessile("doctor")
	return errors.Join(err, sick)
}

// byID finds the ID of carol's session.
func (j *journey) byID() ([]string, error) {
	out, err := j.sessile("list", "--user", "carol", "-q")
	ids := strings.Fields(out)
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("carol has %d sessions: %s", len(ids), out)
	}
	return ids, err
}
