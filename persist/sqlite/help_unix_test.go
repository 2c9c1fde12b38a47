//go:build unix

package sqlite_test

import (
	"os/exec"
	"syscall"
)

func umask(mask int) (old int) { return syscall.Umask(mask) }

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o600) }

// asNobody makes a command run as a user who owns nothing.
func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
