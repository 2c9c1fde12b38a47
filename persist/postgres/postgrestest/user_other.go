//go:build !unix

package postgrestest

import "os/exec"

func unprivileged(string) error { return nil }

func asUnprivileged(*exec.Cmd) {}

// Detach does nothing on this system.
func Detach(*exec.Cmd) {}
