//go:build !unix

package sqlite_test

import (
	"errors"
	"os/exec"
)

func umask(int) int { return 0 }

func mkfifo(string) error { return errors.ErrUnsupported }

func asNobody(*exec.Cmd) {}
