package behaviour

import (
	"time"

	"github.com/sessile/sessile"
)

// StatsAndHealthReportTheState: the numbers are those of one process (D20).
func StatsAndHealthReportTheState(f *Fixture) {
	f.InOneProcess()
	s, tok := f.Login("ann")
	f.Alive(tok)
	f.Must(f.Current().Touch(f.Context(), s.ID(), f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
	f.Must(f.Current().Sync(f.Context()))
	f.Must(f.Current().Destroy(f.Context(), s.ID()))
	st := f.Current().Stats()
	hit := st.Hits == 1 || f.shared() // memory is not trusted before the lease begins
	if st.Created != 1 || !hit || st.Touches != 1 || st.Destroyed != 1 || st.Pending != 0 || st.Tombstones != 0 || st.Hot != 0 {
		f.Fatalf("%+v", st)
	}
	h := f.Current().Health()
	if h.State != sessile.HealthOK || h.Reason != "" {
		f.Fatalf("%+v", h)
	}
	f.Must(f.Current().Close())
	if h := f.Current().Health(); h.State != sessile.HealthFailed {
		f.Fatalf("health after Close is %v", h.State)
	}
}
