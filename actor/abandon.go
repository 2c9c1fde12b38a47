package actor

// abandon says that the time of a caller is up. The caller waits for the loop's last word:
// only the loop knows whether the command was done, is being done, or never will be.
// gone is a caller that does not wait, because it has already been told.
type abandon struct {
	call *call
	gone bool
}

// handle tells the caller what became of its command; see command.giveUp.
func (m abandon) handle(c *core) {
	switch x := m.call; {
	case m.gone:
		c.abandonLoad(x)
	case !x.answered && x.load == nil: // else an answer is on its way, or it comes back from the disk
		later, state := x.self.giveUp(c)
		if x.queued {
			state = ErrOverloaded
		}
		if !later {
			c.reply(x, &leftError{state})
		}
	}
}

// leftError answers a caller whose time is up. The shell replaces it with the cause of the
// caller's context, which the core does not know.
type leftError struct{ state error } // what the caller is told beside that cause; or nil

func (*leftError) Error() string { return "caller left" }
