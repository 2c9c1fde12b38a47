package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

// snapshot is the state of a store at one moment.
type snapshot struct {
	At      time.Time      `json:"at"`
	Health  health         `json:"health"`
	Stored  *int           `json:"stored,omitempty"` // sessions in the backend; missing if unknown
	Metrics map[string]any `json:"metrics"`          // by the names of package metrics
}

// health is the JSON form of [sessile.Health].
type health struct {
	State         sessile.HealthState `json:"state"`
	Reason        string              `json:"reason,omitempty"`
	OldestPending float64             `json:"oldest_pending_seconds"`
	LastError     string              `json:"last_error,omitempty"`
	LastErrorAt   time.Time           `json:"last_error_at,omitzero"`
	FileBytes     int64               `json:"file_bytes,omitempty"`
	WALBytes      int64               `json:"wal_bytes,omitempty"`
	Lease         float64             `json:"lease_seconds,omitempty"` // of a shared backend
}

func newHealth(h sessile.Health) health {
	out := health{
		State: h.State, Reason: h.Reason, OldestPending: h.OldestPending.Seconds(), LastErrorAt: h.LastErrorAt,
		FileBytes: h.FileBytes, WALBytes: h.WALBytes, Lease: h.Lease.Seconds(),
	}
	if h.LastError != nil {
		out.LastError = h.LastError.Error()
	}
	return out
}

// distribution is the JSON form of [sessile.Histogram].
type distribution struct {
	Count   uint64       `json:"count"`
	Sum     float64      `json:"sum"`
	P50     float64      `json:"p50"`
	P99     float64      `json:"p99"`
	Buckets [][2]float64 `json:"buckets"` // upper bound, and the cumulative count
}

func newDistribution(h sessile.Histogram) distribution {
	d := distribution{Count: h.Count, Sum: h.Sum, P50: h.Quantile(0.5), P99: h.Quantile(0.99)}
	for _, b := range h.Buckets {
		d.Buckets = append(d.Buckets, [2]float64{b.UpTo, float64(b.Count)})
	}
	return d
}

// figures returns the values of every metric by name. A metric with a label is an object.
func figures(r *metrics.Reading) map[string]any {
	all := make(map[string]any)
	for _, m := range metrics.List() {
		switch {
		case m.Distribution != nil:
			all[m.Name] = newDistribution(m.Distribution(r))
		case m.Label == "":
			all[m.Name] = m.Series[0].Value(r)
		default:
			values := make(map[string]float64)
			for _, s := range m.Series {
				values[s.Label] = s.Value(r)
			}
			all[m.Name] = values
		}
	}
	return all
}

func (h *handler) snapshot(r *http.Request) snapshot {
	read := metrics.Read(h.store)
	return snapshot{h.store.Now(), newHealth(read.Health), h.stored.get(r.Context(), h.store), figures(read)}
}

func (h *handler) getStats(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, http.StatusOK, h.snapshot(r))
}

// getHealth answers 503 if the store has failed, so that a probe needs no JSON.
func (h *handler) getHealth(w http.ResponseWriter, _ *http.Request) error {
	now := h.store.Health()
	status := http.StatusOK
	if now.State == sessile.HealthFailed {
		status = http.StatusServiceUnavailable
	}
	return writeJSON(w, status, newHealth(now))
}

// detail is a session with the data that may be shown.
type detail struct {
	Session sessile.Session            `json:"session"`
	Active  bool                       `json:"active"` // false if it has expired and is not deleted yet
	Data    map[string]json.RawMessage `json:"data,omitempty"`
}

func (h *handler) detail(r *http.Request) (detail, error) {
	id, err := sessile.ParseID(r.PathValue("id"))
	if err != nil {
		return detail{}, err
	}
	s, err := h.store.Read(r.Context(), id)
	if err != nil {
		return detail{}, err
	}
	d := detail{Session: s, Active: s.ActiveAt(h.store.Now())}
	for _, key := range h.options.ShowData {
		value, ok, err := sessile.Get[json.RawMessage](s, key)
		if err != nil {
			return detail{}, err
		}
		if !ok {
			continue
		}
		if d.Data == nil {
			d.Data = make(map[string]json.RawMessage)
		}
		d.Data[key] = value
	}
	return d, nil
}

func (h *handler) getSession(w http.ResponseWriter, r *http.Request) error {
	d, err := h.detail(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, d)
}
