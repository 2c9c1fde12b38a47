package actor

import (
	"strings"
	"testing"

	"github.com/sessile/sessile/persist"
)

// TestViewEndThatOverflowsIsForever (S28).
func TestViewEndThatOverflowsIsForever(t *testing.T) {
	equal(t, "an hour", renewed(1000, 3600), 4600)
	equal(t, "the last instant", renewed(1000, forever-1000), forever)
	equal(t, "beyond", renewed(1001, forever-1000), forever)
}

// TestViewIsActiveUntilItsInstant (S26): active before, and not from then on.
func TestViewIsActiveUntilItsInstant(t *testing.T) {
	v := viewOf(persist.Record{Identity: &persist.Identity{Deadline: 100}, ExpiresAt: 50, Data: []byte("{}")})
	equal(t, "before its expiry", v.ActiveAt(49), true)
	equal(t, "at its expiry", v.ActiveAt(50), false)
	v = viewOf(persist.Record{Identity: &persist.Identity{Deadline: 50}, ExpiresAt: 100, Data: []byte("{}")})
	equal(t, "before its deadline", v.ActiveAt(49), true)
	equal(t, "at its deadline", v.ActiveAt(50), false)
}

func TestViewGraceEndsAtItsInstant(t *testing.T) {
	v := viewOf(persist.Record{Identity: &persist.Identity{}, Rotation: &persist.Rotation{Until: 50}, Data: []byte("{}")})
	equal(t, "before", v.graced(49), true)
	equal(t, "at", v.graced(50), false)
}

// TestViewCostGrowsWithEveryString (S45): the bound of memory counts them.
func TestViewCostGrowsWithEveryString(t *testing.T) {
	cost := func(id persist.Identity, data string) int {
		return viewOf(persist.Record{Identity: &id, Data: []byte(data)}).cost()
	}
	s := strings.Repeat("x", 100)
	least := cost(persist.Identity{}, "{}")
	equal(t, "an empty one", least, viewBytes+2)
	for _, id := range []persist.Identity{
		{UserID: s}, {IPAddress: s}, {UserAgent: s}, {DeviceName: s}, {DeviceType: s}, {Fingerprint: s},
	} {
		equal(t, "with a string of 100", cost(id, "{}"), least+100)
	}
	equal(t, "with data of 102", cost(persist.Identity{}, s+"{}"), least+100)
}

func TestViewTrustsAProofFromAfterTheClockWentBack(t *testing.T) {
	c := &Config{Unproven: 100}
	for at, want := range map[int64]int64{100: persist.Unproven, 101: 101} {
		v, _ := c.read(persist.Record{Identity: &persist.Identity{}, AuthAt: at, Data: []byte("{}")}, 200)
		equal(t, "proof", v.AuthAt, want)
	}
}

func TestViewKeepsItsLifetimeWhereNoneIsConfigured(t *testing.T) {
	id := persist.Identity{Flags: persist.DefaultLifetime, CreatedAt: 1, Deadline: 1000}
	v, _ := new(Config).read(persist.Record{Identity: &id, Data: []byte("{}")}, 10)
	equal(t, "deadline", v.Deadline, 1000)
}

func TestViewSuccessorIsLostAMinuteBeforeAndAfterItsRotation(t *testing.T) {
	h := persist.Hash{1}
	v := viewOf(persist.Record{
		Identity: &persist.Identity{}, Rotation: &persist.Rotation{Previous: h, Until: persist.Unseen, At: 2 * lostAfter}, Data: []byte("{}"),
	})
	for at, lost := range map[int64]bool{lostAfter: true, lostAfter + 1: false, 3*lostAfter - 1: false, 3 * lostAfter: true} {
		equal(t, "lost", v.SuccessorLost(h, at), lost)
	}
}

func TestViewExpiryIsAbsoluteFromItsDeadlineOn(t *testing.T) {
	v := viewOf(persist.Record{Identity: &persist.Identity{Deadline: 50}, ExpiresAt: 40, Data: []byte("{}")})
	equal(t, "before", v.Expiry(49), ReasonIdle)
	equal(t, "at", v.Expiry(50), ReasonAbsolute)
}
