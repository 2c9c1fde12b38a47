//go:build linux

package foreign

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// shellTime is the timeout of a shell, and shellPatience is how long it waits for a lock.
const (
	shellTime     = 20 * time.Second
	shellPatience = 2 * time.Second
)

// shell starts sqlite3 on a file.
func shell(ctx context.Context, path string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sqlite3", "-batch", "-bail", "-cmd", fmt.Sprint(".timeout ", shellPatience.Milliseconds()), path)
	cmd.Dir = os.TempDir()
	return cmd
}

// sql makes the shell run statements on a file.
func sql(path, statements string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), shellTime)
	defer cancel()
	cmd := shell(ctx, path)
	cmd.Stdin = strings.NewReader(statements + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("sqlite3: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

// hold makes the shell run statements and stay in the transaction that they began, until free is called.
func hold(path, statements string) (free func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), shellTime)
	cmd := shell(ctx, path)
	in, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	free = func() error {
		defer cancel()
		_, err := fmt.Fprintln(in, "COMMIT;")
		return errors.Join(err, in.Close(), cmd.Wait())
	}
	if _, err := fmt.Fprintln(in, statements+"\nSELECT 'held';"); err != nil {
		return nil, errors.Join(err, free())
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "held" {
			return free, nil
		}
	}
	return nil, errors.Join(errors.New("the shell did not get its transaction"), free())
}

// cp copies one file over another in a child process. If the store's process opened and closed the session
// file, it would lose its POSIX locks on it.
func cp(from, to string) error {
	out, err := exec.Command("cp", "--", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

// copyTo copies the file and its WAL, in the state that a kill would leave.
func (r *round) copyTo(to string) error {
	err := cp(r.path, to)
	if _, statErr := os.Stat(r.path + "-wal"); statErr == nil {
		err = errors.Join(err, cp(r.path+"-wal", to+"-wal"))
	}
	return err
}

// secondStore makes another process open a store at a path, and returns its output.
func secondStore(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), shellTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), secondFile+"="+path)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
