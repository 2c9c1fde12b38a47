package terminal

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Progress shows on one line of a terminal that something long goes on. It shows nothing in the first
// half second, and nothing at all if Err is not a terminal.
type Progress struct {
	out  io.Writer
	stop chan struct{}
	done chan struct{}
}

const (
	progressAfter = 500 * time.Millisecond
	progressEvery = 100 * time.Millisecond
	barWidth      = 24
)

// Start shows what is being done until Stop is called. share, if it is not nil, returns how much is
// done, from 0 to 1, or less than 0 if that is unknown. Start runs it on a goroutine of its own, which
// Stop joins.
func (s Streams) Start(what string, share func() float64) *Progress {
	p := &Progress{out: s.Err, stop: make(chan struct{}), done: make(chan struct{})}
	if !IsTerminal(s.Err) {
		close(p.done)
		return p
	}
	go p.run(what, share)
	return p
}

// Stop removes the line.
func (p *Progress) Stop() {
	close(p.stop)
	<-p.done
}

func (p *Progress) run(what string, share func() float64) {
	defer close(p.done)
	began, every := time.Now(), time.NewTicker(progressEvery)
	defer every.Stop()
	shown := false
	for {
		select {
		case <-p.stop:
			if shown {
				fmt.Fprint(p.out, "\r\x1b[K")
			}
			return
		case <-every.C:
		}
		took := time.Since(began)
		if took < progressAfter {
			continue
		}
		done := -1.0
		if share != nil {
			done = share()
		}
		line := fmt.Sprintf("%s  %s %s", what, bar(done, took), took.Truncate(time.Second))
		fmt.Fprint(p.out, "\r\x1b[K"+fit(line, p.out))
		shown = true
	}
}

// fit cuts a line so that the terminal does not wrap it. A wrapped line cannot be removed.
func fit(line string, out io.Writer) string {
	if width := Width(out); width > 0 {
		return text.Snip(line, width-1, "…")
	}
	return line
}

// bar draws a share, or a moving mark if it is unknown.
func bar(share float64, took time.Duration) string {
	cells := []rune("························")[:barWidth]
	if share < 0 {
		at := int(took/progressEvery) % (2*barWidth - 2)
		if at >= barWidth {
			at = 2*barWidth - 2 - at
		}
		cells[at] = '●'
		return string(cells)
	}
	share = min(share, 1)
	for i := range int(share * barWidth) {
		cells[i] = '●'
	}
	return fmt.Sprintf("%s %3.0f %%", string(cells), share*100)
}
