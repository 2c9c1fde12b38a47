package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

// logLines is how many events the overview shows at first.
const logLines = 50

// overviewBody is the input of the overview.
type overviewBody struct {
	live
	Events    []sessile.Event // the newest first
	From      uint64          // number of the first event that the page does not show
	ReadOnly  bool
	CanBackup bool
}

func (h *handler) sample(r *http.Request) sample {
	return sample{time.Now(), metrics.Read(h.store), h.stored.get(r.Context(), h.store)}
}

func (h *handler) overviewPage(w http.ResponseWriter, r *http.Request) error {
	from := h.options.Feed.position()
	first := max(from, logLines) - logLines
	events, dropped, _ := h.options.Feed.since(first, int(from-first))
	slices.Reverse(events)
	return h.pages.Render(w, http.StatusOK, "overview", view{Title: "Overview", Here: "overview", Body: overviewBody{
		live: newLive(nil, h.sample(r), h.store.Config()), Events: events, From: first + dropped + uint64(len(events)),
		ReadOnly: h.options.ReadOnly, CanBackup: h.options.BackupDir != "",
	}})
}

// liveStream is the event stream of the overview: like that of the API, with figures as the page shows
// them.
func (h *handler) liveStream(w http.ResponseWriter, r *http.Request) error {
	var before *sample
	return h.serveStream(w, r, func(out *stream) {
		now := h.sample(r)
		out.send("live", newLive(before, now, h.store.Config()))
		before = &now
	})
}
