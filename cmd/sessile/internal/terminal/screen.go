package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Screen is the alternate screen of a terminal. What the terminal showed before is back after Close.
type Screen struct {
	in   *os.File
	out  *os.File
	old  *term.State
	keys chan byte
}

// OpenScreen takes over the terminal of the streams. It returns ErrNoTerminal if In or Out is not one.
func (s Streams) OpenScreen() (*Screen, error) {
	if !IsTerminal(s.In) || !IsTerminal(s.Out) {
		return nil, ErrNoTerminal
	}
	c := &Screen{in: s.In.(*os.File), out: s.Out.(*os.File), keys: make(chan byte)} //nolint:forcetypeassert,errcheck // IsTerminal has checked it
	var err error
	if c.old, err = term.MakeRaw(int(c.in.Fd())); err != nil {
		return nil, fmt.Errorf("switching the terminal: %w", err)
	}
	fmt.Fprint(c.out, "\x1b[?1049h\x1b[?25l")
	go c.read() // ends with the process: a read of a terminal cannot be interrupted
	return c, nil
}

// ErrNoTerminal means that a live view was asked for without a terminal.
var ErrNoTerminal = fmt.Errorf("%w: a live view needs a terminal", os.ErrInvalid)

func (c *Screen) read() {
	b := make([]byte, 1)
	for {
		if _, err := c.in.Read(b); err != nil {
			return
		}
		c.keys <- b[0]
	}
}

// Keys receives the keys that are pressed.
func (c *Screen) Keys() <-chan byte { return c.keys }

// Size returns columns and rows.
func (c *Screen) Size() (width, height int) {
	width, height, err := term.GetSize(int(c.out.Fd()))
	if err != nil {
		return 80, 24
	}
	return width, height
}

// Draw replaces what the screen shows. Each line must fit.
func (c *Screen) Draw(lines []string) {
	var b strings.Builder
	b.WriteString("\x1b[H")
	_, height := c.Size()
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[0m\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(c.out, b.String()) // the terminal is gone: the next read of a key ends
}

// Close gives the terminal back.
func (c *Screen) Close() error {
	fmt.Fprint(c.out, "\x1b[?25h\x1b[?1049l")
	if err := term.Restore(int(c.in.Fd()), c.old); err != nil {
		return fmt.Errorf("restoring the terminal: %w", err)
	}
	return nil
}

// Quit reports whether a key ends a live view: q, Escape, Ctrl-C or Ctrl-D.
func Quit(key byte) bool { return key == 'q' || key == 'Q' || key == 0x1b || key == 3 || key == 4 }

// Wait returns when a key that ends the view is pressed, ctx ends, or next receives. It reports whether
// the view goes on.
func (c *Screen) Wait(ctx context.Context, next <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-next:
			return true
		case key := <-c.keys:
			if Quit(key) {
				return false
			}
		}
	}
}
