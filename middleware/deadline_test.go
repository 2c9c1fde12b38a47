package middleware

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlineSharedByRequestsGivesEachItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deadline{patience: 8 * time.Second}
		first := d.next()
		for range 100 {
			ctx := d.next()
			end, ok := ctx.Deadline()
			if left := time.Until(end); !ok || left < 8*time.Second || left > 9*time.Second {
				t.Fatalf("%v are left", left)
			}
			<-time.After(100 * time.Millisecond)
		}
		if first.Err() == nil {
			t.Error("a deadline passed, and the context has not ended")
		}
		if d.next().Err() != nil {
			t.Error("a context had ended when it was handed out")
		}
		<-time.After(time.Minute)
		if d.next().Err() != nil {
			t.Error("a context had ended when it was handed out")
		}
	})
}
