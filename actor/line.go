package actor

// A line is the callers that found no room, first come first served: at the
// bound of pending, or of cold reads under way.
//
// Waiting there helps nobody but the caller: the disk has all the work that it
// can take, and a longer line makes answers older, not more. So a caller waits
// for Config.Patience at most, long enough for a burst to pass. Where there has
// been no room for as long as that it is no burst, and callers wait for a fifth
// of it, in a line no longer than what the next turn takes; whoever comes beyond
// that is refused at once. (CoDel's rule, as it is used in front of servers:
// B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015.)
type line struct {
	waits []*request
	full  bool  // there is no room
	since int64 // tick since when there has been none, but for moments
	last  int64 // tick at which there was none for the last time
}

// shortPatience is the part of Config.Patience that callers have in a standing line.
const shortPatience = 5

// lasts notes that there has been no room until now, if so.
func (l *line) lasts(tick int64) {
	if l.full {
		l.last = tick
	}
}

// mark notes whether there is room now.
func (s *state) mark(l *line, full bool) {
	if full && !l.full && s.tick-l.last >= s.cfg.Patience.Microseconds() {
		l.since = s.tick
	}
	if full {
		l.last = s.tick
	}
	l.full = full
}

// standing reports whether there has been no room for too long to call it a burst.
func (s *state) standing(l *line) bool {
	return l.last-l.since >= s.cfg.Patience.Microseconds()
}

// patience is how long callers wait in l, microseconds.
func (s *state) patience(l *line) int64 {
	if s.standing(l) {
		return s.cfg.Patience.Microseconds() / shortPatience
	}
	return s.cfg.Patience.Microseconds()
}

// crowded reports whether nobody may join l. In a standing line wait no more than turn.
func (s *state) crowded(l *line, turn int) bool {
	n := s.cfg.MaxWaiting
	if s.standing(l) {
		n = min(n, max(turn, 1))
	}
	return len(l.waits) >= n
}

// lineUp has r wait in l, or refuses it.
func (s *state) lineUp(l *line, r *request, turn int) {
	if s.crowded(l, turn) {
		s.refuse(r)
		return
	}
	r.lined, r.since = true, s.tick
	l.waits = append(l.waits, r)
}

// next takes the first caller out of l that still waits; nil if there is none.
func (l *line) next() *request {
	for len(l.waits) > 0 {
		r := l.waits[0]
		l.waits[0] = nil // it may be used again
		l.waits = l.waits[1:]
		if !r.left {
			r.lined = false
			return r
		}
	}
	return nil
}

// refuse tells r that there is no room. Nothing was done.
func (s *state) refuse(r *request) {
	s.stats.Overloaded++
	s.refusedAt = s.tick
	s.fail(r, ErrOverloaded)
}

// serveLines lets callers in where there is room, and refuses those that have
// waited for too long.
func (s *state) serveLines() {
	for len(s.growing.waits) > 0 && !s.gate() {
		if r := s.growing.next(); r != nil {
			s.handle(r)
		}
	}
	for len(s.reading.waits) > 0 && !s.busy() {
		if r := s.reading.next(); r != nil {
			s.handle(r)
		}
	}
	for _, l := range []*line{&s.growing, &s.reading} {
		for len(l.waits) > 0 && s.patienceEnds(l) <= s.tick {
			if r := l.next(); r != nil {
				s.refuse(r)
			}
		}
	}
}

// patienceEnds is the tick at which the first caller in l is refused.
func (s *state) patienceEnds(l *line) int64 { return l.waits[0].since + s.patience(l) }

// markLines notes where there is room at the end of a step, and reports whether
// whoever makes pending grow may be refused without being asked.
func (s *state) markLines() (shut bool) {
	s.mark(&s.growing, s.gate())
	s.mark(&s.reading, s.busy())
	shut = s.gated && s.crowded(&s.growing, s.turn())
	if shut {
		s.refusedAt = s.tick
	}
	return shut
}

// turn is how many changes there is room for, at least, when the gate opens.
func (s *state) turn() int { return s.cfg.MaxPending / 10 }

// busy reports whether cold reads are at their bound.
func (s *state) busy() bool { return len(s.loads) >= s.cfg.MaxLoads }

// refusing reports whether calls have been refused lately.
func (s *state) refusing() bool { return s.tick-s.refusedAt < refusedLately }

// tellRefusals tells when calls begin to be refused, and when that is over.
func (s *state) tellRefusals() {
	if now := s.refusing(); now != s.overloaded {
		s.overloaded = now
		k := Relieved
		if now {
			k = Overloaded
		}
		s.event(Event{Kind: k})
	}
}

// refusedLately is how long the health tells of a refusal, microseconds.
const refusedLately = 1_000_000

// longAgo is a tick before all others.
const longAgo = -1 << 60
