package postgres

import "time"

// WithLease shortens the times of the feed.
func (c Config) WithLease(d time.Duration) Config {
	c.lease = d
	return c
}

// Newest is the version of the schema.
func Newest() int { return len(migrations()) }
