package control

import (
	"encoding/json"
	"fmt"
	"time"
)

// Snapshot is the state of a store at one moment, as the API sends it.
type Snapshot struct {
	At     time.Time `json:"at"`
	Health struct {
		State         string    `json:"state"`
		Reason        string    `json:"reason"`
		OldestPending float64   `json:"oldest_pending_seconds"`
		LastError     string    `json:"last_error"`
		LastErrorAt   time.Time `json:"last_error_at"`
		FileBytes     int64     `json:"file_bytes"`
		WALBytes      int64     `json:"wal_bytes"`
		Lease         float64   `json:"lease_seconds"`
	} `json:"health"`
	Stored  *int    `json:"stored"` // nil if unknown
	Metrics Metrics `json:"metrics"`
}

// Metrics are the counters since the store was opened, and its gauges.
type Metrics struct {
	Reads struct{ Memory, Disk float64 } `json:"reads"`
	Ended struct {
		Destroyed, Evicted, Expired float64
	} `json:"sessions.ended"`
	Created   float64                       `json:"sessions.created"`
	Rotated   float64                       `json:"tokens.rotated"`
	Unknown   float64                       `json:"unknown_tokens"`
	Damaged   float64                       `json:"unreadable_rows"`
	Writes    struct{ Data, Touch float64 } `json:"writes"`
	Failed    float64                       `json:"commits.failed"`
	Commits   Distribution                  `json:"commit.duration"`
	Batches   Distribution                  `json:"batch.size"`
	Refused   float64                       `json:"calls.refused"`
	Dropped   float64                       `json:"touches.dropped"`
	Pending   float64                       `json:"pending.changes"`
	Hot       float64                       `json:"cache.sessions"`
	HotBytes  float64                       `json:"cache.size"`
	Evictions float64                       `json:"cache.evictions"`
}

// Distribution is a histogram.
type Distribution struct {
	Count   float64      `json:"count"`
	Sum     float64      `json:"sum"`
	Buckets [][2]float64 `json:"buckets"` // upper bound, and the cumulative count
}

// ParseSnapshot decodes the JSON that [Client.Stats] has returned.
func ParseSnapshot(raw json.RawMessage) (s Snapshot, err error) {
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("%w: reading its figures: %w", ErrUnreachable, err)
	}
	return s, nil
}

// Changes counts everything that the store was asked to write.
func (m Metrics) Changes() float64 {
	return m.Created + m.Ended.Destroyed + m.Rotated + m.Writes.Data + m.Writes.Touch
}

// Since returns the values that came after before. A store that was restarted begins at 0 again, so all
// of its values came after.
func (d Distribution) Since(before Distribution) Distribution {
	if d.Count < before.Count || len(d.Buckets) != len(before.Buckets) {
		return d
	}
	later := Distribution{Count: d.Count - before.Count, Sum: d.Sum - before.Sum}
	for i, b := range d.Buckets {
		later.Buckets = append(later.Buckets, [2]float64{b[0], b[1] - before.Buckets[i][1]})
	}
	return later
}

// Quantile returns the upper bound of the bucket with that quantile, and false if there are no values.
func (d Distribution) Quantile(q float64) (float64, bool) {
	for _, b := range d.Buckets {
		if d.Count > 0 && b[1] >= q*d.Count {
			return b[0], true
		}
	}
	return 0, false
}

// Mean returns the mean, and false if there are no values.
func (d Distribution) Mean() (float64, bool) { return d.Sum / max(d.Count, 1), d.Count > 0 }

// Session is what the API says about a session.
type Session struct {
	ID              string    `json:"id"`
	UserID          string    `json:"user_id"`
	IPAddress       string    `json:"ip_address"`
	UserAgent       string    `json:"user_agent"`
	DeviceName      string    `json:"device_name"`
	DeviceType      string    `json:"device_type"`
	CreatedAt       time.Time `json:"created_at"`
	LastActiveAt    time.Time `json:"last_active_at"`
	ExpiresAt       time.Time `json:"expires_at"`
	Deadline        time.Time `json:"deadline"`
	TTLSeconds      float64   `json:"ttl_seconds"`
	AuthenticatedAt time.Time `json:"authenticated_at"`
	RotatedAt       time.Time `json:"rotated_at"`
}

// Detail is a session with the data that the store may show.
type Detail struct {
	Session Session                    `json:"session"`
	Active  bool                       `json:"active"`
	Data    map[string]json.RawMessage `json:"data"`
}

// ParseSessions decodes the sessions that [Client.List] has returned.
func ParseSessions(raw []json.RawMessage) ([]Session, error) {
	all := make([]Session, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &all[i]); err != nil {
			return nil, fmt.Errorf("%w: reading its list: %w", ErrUnreachable, err)
		}
	}
	return all, nil
}

// ParseDetail decodes the session that [Client.Show] has returned.
func ParseDetail(raw json.RawMessage) (d Detail, err error) {
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fmt.Errorf("%w: reading its answer: %w", ErrUnreachable, err)
	}
	return d, nil
}
