package actor

import (
	"cmp"

	"github.com/sessile/sessile/persist"
)

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

// takeBack has a session that was created or last active in the future live no longer
// than its lifetimes from now.
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

// endGrace bounds what is left of the token before.
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
	if c.TTL > 0 && v.Defaults&persist.DefaultTTL != 0 && v.TTL > c.TTL {
		v.TTL = c.TTL
		v.ExpiresAt = min(v.ExpiresAt, renewed(v.LastActive, v.TTL))
	}
	if c.MaxLifetime > 0 && v.Defaults&persist.DefaultLifetime != 0 {
		v.Deadline = min(v.Deadline, renewed(v.CreatedAt, c.MaxLifetime))
		v.ExpiresAt = min(v.ExpiresAt, v.Deadline)
	}
}

// retime is what a view has of the times that a touch leaves alone.
func (v *View) retime() *persist.Retime {
	t := &persist.Retime{CreatedAt: v.CreatedAt, Deadline: v.Deadline, AuthAt: v.AuthAt, RotatedAt: forever, Until: forever}
	if v.Rotation != nil {
		t.RotatedAt, t.Until = v.At, v.Until
	}
	return t
}
