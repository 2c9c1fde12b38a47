package actor

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/sessile/sessile/persist"
)

// End is the end of a session: which one, and why.
type End struct {
	ID     persist.ID
	Hash   persist.Hash // of its last token, zero if that is not known
	Reason string
}

// endSlots is how many recent ends can be found, by ID and by token.
const endSlots = 1 << 12

// ends are the recent ends of sessions in this process, for whoever asks why one is gone. A
// later end takes the place of an earlier one in the same slot. So they need no lock and do not
// grow.
type ends struct {
	byID, byToken [endSlots]atomic.Pointer[End]
}

func (t *ends) add(l []End) {
	for i := range l {
		e := l[i] // a copy: the array of a step is used again
		t.id(e.ID).Store(&e)
		if e.Hash != (persist.Hash{}) {
			t.token(e.Hash).Store(&e)
		}
	}
}

// id returns the slot of an ID, by its random part.
func (t *ends) id(id persist.ID) *atomic.Pointer[End] {
	return &t.byID[binary.BigEndian.Uint16(id[14:])%endSlots]
}

func (t *ends) token(h persist.Hash) *atomic.Pointer[End] {
	return &t.byToken[binary.BigEndian.Uint16(h[:])%endSlots]
}

// EndOf returns why a session has ended in this process, "" if that is not known any more.
func (a *Actor) EndOf(id persist.ID) string {
	if e := a.published.ends.id(id).Load(); e != nil && e.ID == id {
		return e.Reason
	}
	return ""
}

// EndOfToken is EndOf for the session that a token has opened last.
func (a *Actor) EndOfToken(h persist.Hash) string {
	if e := a.published.ends.token(h).Load(); e != nil && e.Hash == h {
		return e.Reason
	}
	return ""
}
