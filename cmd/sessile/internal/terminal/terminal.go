package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrDeclined means that somebody was asked and did not agree, or that nobody could be asked.
var ErrDeclined = errors.New("not confirmed: nothing was done")

// Streams are the input and the outputs of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width returns the number of columns of a terminal, or 0 if the stream is none.
func Width(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// Confirm asks on Err for the word want. "y" may stand for "yes", and the question must name every other
// word. Confirm returns ErrDeclined for any other answer, and if In is not a terminal.
func (s Streams) Confirm(ctx context.Context, question, want string) error {
	if !IsTerminal(s.In) {
		return fmt.Errorf("%w: the input is not a terminal, so add --yes to go ahead", ErrDeclined)
	}
	if want == "yes" {
		question += " [y/N]"
	}
	fmt.Fprint(s.Err, question+" ")
	answered := make(chan string, 1)
	go func() { // ends with the process if nobody answers
		line, err := bufio.NewReader(s.In).ReadString('\n')
		if err != nil {
			fmt.Fprintln(s.Err) // the end of the input leaves the cursor behind the question
		}
		answered <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answered:
		if answer == want || want == "yes" && answer == "y" {
			return nil
		}
		return ErrDeclined
	case <-ctx.Done():
		fmt.Fprintln(s.Err)
		return ErrDeclined
	}
}
