package behaviour

import (
	"context"
)

// DoneClosesWhenTheSessionEnds: each session has its own channel.
func DoneClosesWhenTheSessionEnds(f *Fixture) {
	f.InOneProcess()
	s, _ := f.Login("ann")
	other, _ := f.Login("ann")
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	done, kept := f.Current().Done(ctx, s.ID()), f.Current().Done(ctx, other.ID())
	f.Must(f.Current().Destroy(f.Context(), s.ID()))
	<-done
	<-f.Current().Done(ctx, s.ID())
	select {
	case <-kept:
		f.Fatal("a living session is done")
	default:
	}
	_, err := f.Current().DestroyAllForUser(f.Context(), "ann")
	f.Must(err)
	<-kept
}
