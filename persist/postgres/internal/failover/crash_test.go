package failover

import (
	"fmt"
	"testing"
	"time"

	"github.com/sessile/sessile/persist/postgres"
)

// The server and all its processes are killed while clients of two nodes work, and it starts again on the same data. The nodes are
// opened once.
func TestFailoverByRestartLosesNothing(t *testing.T) {
	s := server(t)
	f := newFleet(t, postgres.Config{URL: s.URL()}, postgres.Config{URL: s.URL()})
	for range 2 * *rounds {
		f.run()
		fault := time.Now()
		s.Kill()
		f.fails()
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		f.recovered(fault, time.Now())
		f.pause()
		f.check()
	}
	f.judge(fmt.Sprintf("%d times SIGKILL of PostgreSQL", 2**rounds))
}
