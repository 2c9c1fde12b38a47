package metrics

import "github.com/sessile/sessile"

// count is a counter with one series.
func count(name, unit, help string, value func(*Reading) uint64) Metric {
	return Metric{Name: name, Unit: unit, Help: help, Kind: Counter, Series: []Series{number("", value)}}
}

// gauge is a gauge with one series.
func gauge[N int | int64 | float64](name, unit, help string, value func(*Reading) N) Metric {
	return Metric{Name: name, Unit: unit, Help: help, Kind: Gauge, Series: []Series{number("", value)}}
}

// distribution is a histogram.
func distribution(name, unit, help string, value func(*Reading) sessile.Histogram) Metric {
	return Metric{Name: name, Unit: unit, Help: help, Kind: Histogram, Distribution: value}
}

// number is a series whose value is any number.
func number[N int | int64 | uint64 | float64](label string, value func(*Reading) N) Series {
	return Series{Label: label, Value: func(r *Reading) float64 { return float64(value(r)) }}
}

func reads() []Metric {
	return []Metric{
		{
			Name: "reads", Unit: "{read}", Kind: Counter, Label: "source",
			Help: "Reads of sessions, by what answered them: memory or disk.",
			Series: []Series{
				number("memory", func(r *Reading) uint64 { return r.Stats.Hits }),
				number("disk", func(r *Reading) uint64 { return r.Stats.ColdReads }),
			},
		},
		count("unknown_tokens", "{token}", "Reads whose token belongs to no session.", func(r *Reading) uint64 { return r.Stats.UnknownTokens }),
		count("unreadable_rows", "{row}", "Stored sessions that a list left out because they could not be read.", func(r *Reading) uint64 { return r.Stats.Unreadable }),
		gauge("cold_reads", "{read}", "Reads that wait for the disk now.", func(r *Reading) int { return r.Stats.Loads }),
	}
}

func sessions() []Metric {
	return []Metric{
		count("sessions.created", "{session}", "Sessions created by logins and guests.", func(r *Reading) uint64 { return r.Stats.Created }),
		{
			Name: "sessions.ended", Unit: "{session}", Kind: Counter, Label: "cause",
			Help: "Sessions that ended, by cause: destroyed by a logout, evicted over a limit, or expired and deleted by the clean-up.",
			Series: []Series{
				number("destroyed", func(r *Reading) uint64 { return r.Stats.Destroyed }),
				number("evicted", func(r *Reading) uint64 { return r.Stats.Evicted }),
				number("expired", func(r *Reading) uint64 { return r.Stats.Expired }),
			},
		},
		count("tokens.rotated", "{token}", "Tokens replaced by a new one.", func(r *Reading) uint64 { return r.Stats.Rotated }),
	}
}

func writes() []Metric {
	return []Metric{
		{
			Name: "writes", Unit: "{write}", Kind: Counter, Label: "kind",
			Help: "Changes accepted in memory, by kind: data (flushes and updates) or touch.",
			Series: []Series{
				number("data", func(r *Reading) uint64 { return r.Stats.Flushes }),
				number("touch", func(r *Reading) uint64 { return r.Stats.Touches }),
			},
		},
		count("commits.started", "{commit}", "Commits started, failed ones included.", func(r *Reading) uint64 { return r.Stats.Batches }),
		count("commits.failed", "{commit}", "Commits that failed. Their changes are retried.", func(r *Reading) uint64 { return r.Stats.BatchFailures }),
		count("changes.submitted", "{change}", "Changes that the started commits had. A retried change counts again.", func(r *Reading) uint64 { return r.Stats.BatchItems }),
		distribution("commit.duration", "s", "Time that successful commits took.", func(r *Reading) sessile.Histogram { return r.Stats.CommitSeconds }),
		distribution("batch.size", "{change}", "Changes that successful commits had.", func(r *Reading) sessile.Histogram { return r.Stats.BatchSizes }),
		count("conflicts", "{write}", "Writes refused by the disk because the session had changed there.", func(r *Reading) uint64 { return r.Stats.Conflicts }),
		count("changes.quarantined", "{change}", "Changes given up because they could not be stored.", func(r *Reading) uint64 { return r.Stats.Quarantined }),
	}
}

func bounds() []Metric {
	return []Metric{
		count("calls.refused", "{call}", "Calls refused with ErrOverloaded because a bound was reached.", func(r *Reading) uint64 { return r.Stats.Overloaded }),
		count("touches.dropped", "{touch}", "Touches dropped because too many changes waited for the disk.", func(r *Reading) uint64 { return r.Stats.TouchesDropped }),
		count("events.dropped", "{event}", "Events dropped because Config.Events was too slow or panicked.", func(r *Reading) uint64 { return r.Stats.EventsDropped }),
		gauge("waiting_calls", "{call}", "Calls that wait for room at a bound now.", func(r *Reading) int { return r.Stats.Waiting }),
		gauge("pending.changes", "{change}", "Changes that are not on disk yet.", func(r *Reading) int { return r.Stats.Pending }),
		gauge("pending.size", "By", "Size of the data that is not on disk yet.", func(r *Reading) int { return r.Stats.PendingBytes }),
		gauge("pending.age", "s", "Age of the oldest change that is not on disk yet; 0 if there is none.", func(r *Reading) float64 { return r.Stats.OldestPending.Seconds() }),
	}
}

func memory() []Metric {
	return []Metric{
		gauge("cache.sessions", "{session}", "Sessions in memory.", func(r *Reading) int { return r.Stats.Hot }),
		gauge("cache.size", "By", "Estimated size of the sessions in memory.", func(r *Reading) int { return r.Stats.HotBytes }),
		count("cache.evictions", "{session}", "Sessions removed from memory to make room. They stay on disk.", func(r *Reading) uint64 { return r.Stats.CacheEvictions }),
		gauge("tombstones", "{tombstone}", "Ended sessions that memory must still refuse.", func(r *Reading) int { return r.Stats.Tombstones }),
		gauge("watched_sessions", "{session}", "Sessions whose end a stream or websocket waits for.", func(r *Reading) int { return r.Stats.Watched }),
	}
}

func health() []Metric {
	state := Metric{Name: "health.state", Kind: Gauge, Label: "state", Help: "Health of the store: 1 for the current state, 0 for the others."}
	for s := sessile.HealthOK; s <= sessile.HealthFailed; s++ {
		state.Series = append(state.Series, number(s.String(), func(r *Reading) int {
			if min(r.Health.State, sessile.HealthFailed) == s {
				return 1
			}
			return 0
		}))
	}
	return []Metric{
		state,
		gauge("last_write_error.timestamp", "s", "Unix time of the last failed write; 0 if none failed.", func(r *Reading) float64 {
			if r.Health.LastErrorAt.IsZero() {
				return 0
			}
			return float64(r.Health.LastErrorAt.UnixMilli()) / 1e3
		}),
		gauge("file.size", "By", "Size of the session file; 0 if the backend has none.", func(r *Reading) int64 { return r.Health.FileBytes }),
		gauge("wal.size", "By", "Size of the write-ahead log beside the session file.", func(r *Reading) int64 { return r.Health.WALBytes }),
	}
}
