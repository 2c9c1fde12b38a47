package actor

import (
	"testing"
	"testing/synctest"
	"time"
)

// The timer fires when it was last set for, whether it was set anew or not.
func TestTimerFiresAtItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		sets func(*wakeTimer)
		want time.Duration // 0 = it does not fire
	}{
		"set once":                {func(a *wakeTimer) { a.set(0, time.Second) }, time.Second},
		"set for the same time":   {func(a *wakeTimer) { a.set(0, time.Second); a.set(400_000, 600*time.Millisecond) }, time.Second},
		"set for a sooner time":   {func(a *wakeTimer) { a.set(0, time.Second); a.set(0, time.Millisecond) }, time.Millisecond},
		"set for a later time":    {func(a *wakeTimer) { a.set(0, time.Second); a.set(0, time.Minute) }, time.Minute},
		"set to fire at once":     {func(a *wakeTimer) { a.set(0, 0) }, 1},
		"set and taken back":      {func(a *wakeTimer) { a.set(0, time.Second); a.set(0, never) }, 0},
		"never set":               {func(a *wakeTimer) { a.set(0, never) }, 0},
		"taken back and set anew": {func(a *wakeTimer) { a.set(0, time.Second); a.set(0, never); a.set(0, time.Second) }, time.Second},
		"set anew after it fired": {func(a *wakeTimer) { a.set(0, 0); <-a.C; a.at = unset; a.set(0, 0) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, began := newWakeTimer(), time.Now()
				c.sets(a)
				select {
				case <-a.C:
				case <-time.After(time.Hour):
					if c.want != 0 {
						t.Error("it did not fire")
					}
					return
				}
				if d := max(time.Since(began), 1); d != c.want {
					t.Errorf("it fired after %v, not %v", d, c.want)
				}
			})
		})
	}
}
