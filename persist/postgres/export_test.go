package postgres

import "time"

// WithLease shortens the times of the feed.
func (c Config) WithLease(d time.Duration) Config {
	c.lease = d
	return c
}

// Newest is the version of the schema.
func Newest() int { return len(migrations()) }

// Of the statements of touches, and of connections that keep their plans.
var (
	TouchPlanSQL = touchPlanSQL
	TouchSQL     = (*DB).touchSQL
	Replan       = replan
)

const PlanUses = planUses

func (d *DB) touchSQL() string { return d.sql(touchSQL) }
