package terminaltest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Terminal is a terminal with somebody in front of it: the test.
type Terminal struct {
	*testing.T
	Line *os.File // what a program opens
	user *os.File
	text strings.Builder
}

// Open opens a terminal of that size. Cleanup closes it.
func Open(t *testing.T, columns, rows uint16) *Terminal {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close() })
	fd := int(user.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	line, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = line.Close() })
	return &Terminal{T: t, Line: line, user: user}
}

// Start starts a command whose controlling terminal this is. The test's own end of the line is closed, so
// that Until notices the end of the command.
func (t *Terminal) Start(c *exec.Cmd) {
	t.Helper()
	c.Stdin, c.Stdout, c.Stderr = t.Line, t.Line, t.Line
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	_ = t.Line.Close()
}

// Type presses keys.
func (t *Terminal) Type(keys string) {
	t.Helper()
	if _, err := t.user.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// Until reads until the terminal has shown a text, and returns everything that it has shown.
func (t *Terminal) Until(text string) string {
	t.Helper()
	for !strings.Contains(t.text.String(), text) {
		if !t.read() {
			t.Fatalf("the terminal never shows %q:\n%s", text, t.text.String())
		}
	}
	return t.text.String()
}

// All reads until every program has closed the terminal, and returns everything that it has shown.
func (t *Terminal) All() string {
	for t.read() {
	}
	return t.text.String()
}

func (t *Terminal) read() bool {
	var b [4096]byte
	n, err := t.user.Read(b[:])
	t.text.Write(b[:n])
	return err == nil
}
