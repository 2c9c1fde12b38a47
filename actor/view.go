package actor

import (
	"cmp"

	"github.com/sessile/sessile/cache"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// View is one version of a session as readers see it. It is immutable and
// shared: every change publishes a new one. The identity is a copy, so that a
// read fetches one piece of memory rather than two; what decides whether the
// session is active stands in its first cache line.
//
// Announced is the last access whose answer told the client how long the session lives
// from then on. It is known in memory alone: of a session that is read from the disk it
// is CreatedAt, for its client may not have been told since.
type View struct {
	*persist.Rotation // nil if the token was never rotated
	Doc               *object.Object
	LastActive        int64
	ExpiresAt         int64
	Announced         int64
	persist.Identity
	Version persist.Version
	AuthAt  int64
}

// ActiveAt reports whether the session has not ended at now: by its idle timeout, which
// accesses move, or its absolute one.
func (v *View) ActiveAt(now int64) bool { return now < v.ExpiresAt && now < v.Deadline }

// graced reports whether the token before the current one is still good.
func (v *View) graced(now int64) bool { return v.Rotation != nil && now < v.Until }

// lostAfter is how long nobody presents a new token before it counts as lost, microseconds.
const lostAfter = 60_000_000

// SuccessorLost reports whether the token that replaced h has been lost on its way to the
// client, as far as anybody can tell: h is the token before, and for a minute its successor
// has not been presented. Then another rotation from h may replace the successor.
func (v *View) SuccessorLost(h persist.Hash, now int64) bool {
	if v.Rotation == nil || v.Previous != h || v.Until != persist.Unseen {
		return false
	}
	since := now - v.At
	return since >= lostAfter || since <= -lostAfter // the clock was far ahead then
}

// end is the instant from which the session is no longer active, unless an access comes.
func (v *View) end() int64 { return min(v.ExpiresAt, v.Deadline) }

// access gives v, which is not published yet, the times of an access, unless it had a later
// one: requests of one session overtake each other.
func (v *View) access(at, expires int64, announced bool) {
	if at < v.LastActive {
		return
	}
	v.LastActive, v.ExpiresAt = at, min(expires, v.Deadline)
	if announced {
		v.Announced = at
	}
}

// renewed is now + ttl, or forever where that overflows.
func renewed(now, ttl int64) int64 {
	if now > forever-ttl {
		return forever
	}
	return now + ttl
}

// entry is a session in memory: its view, and where the cache has it.
type entry = cache.Entry[View]

// viewOf is a record as it is stored. It shares the record's bytes. What comes from
// the disk counts as Config.read says.
func viewOf(r persist.Record) *View {
	return &View{
		Identity: *r.Identity, Rotation: r.Rotation, Version: r.Version,
		Doc: object.FromStored(r.Data), LastActive: r.LastActive, ExpiresAt: r.ExpiresAt, Announced: r.CreatedAt, AuthAt: r.AuthAt,
	}
}

// viewBytes is what a resident session costs beside its strings and data: the
// view, identity, index node, recency element and map slots, as measured.
const viewBytes = 640

// cost estimates the memory that a resident session takes, in bytes.
func (v *View) cost() int {
	return viewBytes + v.Doc.Cost() + len(v.UserID) + len(v.IPAddress) + len(v.UserAgent) +
		len(v.DeviceName) + len(v.DeviceType) + len(v.Fingerprint)
}

// put gives e a new version. Only data changes what a session costs: to count the members of large
// data would take longer than the rest of a touch.
func (c *core) put(e *entry, v *View) {
	cost := e.Cost()
	if v.Doc != e.Value().Doc {
		cost = v.cost()
	}
	c.hot.Put(e, v, cost)
}

// ahead is how far in the future a time from the disk is left alone, microseconds: the
// clocks of nodes differ, and a backend knows the time of its last commit to a second.
const ahead = 2_000_000

// read is the view of a record that comes from the disk, as it counts at now. It
// reports whether times of it lie in the future and were taken back: then they must be
// stored, or the session would begin anew with every load.
func (c *Config) read(r persist.Record, now int64) (v *View, moved bool) {
	v = viewOf(r)
	moved = c.distrust(v, now)
	moved = v.takeBack(now) || moved
	moved = c.endGrace(v, now) || moved
	c.limit(v)
	return v, moved
}

// distrust takes a proof of identity that lies in the future, or from before the clock
// went back, for none.
func (c *Config) distrust(v *View, now int64) bool {
	proof := cmp.Or(v.AuthAt, v.CreatedAt)
	if proof == persist.Unproven || proof > c.Unproven && proof <= now+ahead {
		return false
	}
	v.AuthAt = persist.Unproven
	return true
}

// takeBack has a session that was created or last active in the future live no longer than
// its lifetimes from now. The clock was ahead when it was stored; by its own times it could
// live for years.
func (v *View) takeBack(now int64) bool {
	if max(v.CreatedAt, v.LastActive) <= now+ahead {
		return false
	}
	if early := v.CreatedAt - now; early > 0 {
		v.CreatedAt = now
		if v.Deadline != persist.NoDeadline {
			v.Deadline -= early
		}
	}
	v.LastActive, v.Announced = min(v.LastActive, now), min(v.Announced, now)
	v.ExpiresAt = min(v.ExpiresAt, renewed(now, v.TTL), v.Deadline)
	return true
}

// endGrace bounds what is left of the token before, where the clock was ahead when it was
// replaced or its successor was seen. Until would else lie in the future for as long.
func (c *Config) endGrace(v *View, now int64) bool {
	r := v.Rotation
	if r == nil || r.At <= now+ahead && (c.Grace == 0 || r.Until == persist.Unseen || r.Until <= now+c.Grace+ahead) {
		return false
	}
	n := *r
	if n.At = min(n.At, now); n.Until != persist.Unseen && c.Grace > 0 {
		n.Until = min(n.Until, now+c.Grace)
	}
	v.Rotation = &n
	return true
}

// limit holds a session to the configuration's lifetimes where it was made with them:
// they may have been lowered since.
func (c *Config) limit(v *View) {
	if c.TTL > 0 && v.Flags&persist.DefaultTTL != 0 && v.TTL > c.TTL {
		v.TTL = c.TTL
		v.ExpiresAt = min(v.ExpiresAt, renewed(v.LastActive, v.TTL))
	}
	if c.MaxLifetime > 0 && v.Flags&persist.DefaultLifetime != 0 {
		v.Deadline = min(v.Deadline, renewed(v.CreatedAt, c.MaxLifetime))
		v.ExpiresAt = min(v.ExpiresAt, v.Deadline)
	}
}

// retime is what a view has of the times that a touch leaves alone: it is written once, with
// the touch that follows a take-back.
func (v *View) retime() *persist.Retime {
	t := &persist.Retime{CreatedAt: v.CreatedAt, Deadline: v.Deadline, AuthAt: v.AuthAt, RotatedAt: forever, Until: forever}
	if v.Rotation != nil {
		t.RotatedAt, t.Until = v.At, v.Until
	}
	return t
}

// lockedOut is the rotation of a session whose last one may have been done or not: no token
// opens it, and the one before has no grace.
func lockedOut(from persist.Hash, now int64) *persist.Rotation {
	return &persist.Rotation{Previous: from, At: now}
}

// readRow is the view of a row as it counts: with a touch that is not on disk.
func (c *core) readRow(r persist.Record) (v *View, moved bool) {
	v, moved = c.cfg.read(r, c.now)
	if c.exclusive {
		return v, moved
	}
	if d := c.dirty[r.ID]; d != nil && d.lastTouch() != nil {
		t := d.lastTouch()
		v.access(t.LastActive, t.ExpiresAt, false)
	}
	return v, moved
}
