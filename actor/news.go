package actor

import "github.com/sessile/sessile/persist"

// mostNews is how many sessions and users news remember.
const mostNews = 1 << 16

// news is what others have changed while loads are in progress: the number of the last change
// of each session, and of all sessions of each user. A load notes the last number before it
// begins. So it is one comparison to say whether its row may be from before a change.
type news struct {
	heard    uint64 // number of the last change
	sessions map[persist.ID]uint64
	users    map[string]userNews
}

// userNews is the last change of all sessions of a user but one.
type userNews struct {
	heard  uint64
	except persist.ID
}

// hear notes what another node has changed. If that is too much to remember, what every load in
// progress reads may be outdated.
func (a *loads) hear(events []persist.Event) {
	n := &a.news
	if a.order.Len() == 0 {
		n.forget()
		return
	}
	for _, ev := range events {
		n.add(ev)
	}
	if len(n.sessions)+len(n.users) > mostNews {
		a.markStale()
		n.forget()
	}
}

func (n *news) forget() { n.sessions, n.users = nil, nil }

func (n *news) add(ev persist.Event) {
	if n.sessions == nil {
		n.sessions, n.users = make(map[persist.ID]uint64), make(map[string]userNews)
	}
	n.heard++
	switch ev.Kind {
	case persist.EventSessionChanged:
		n.sessions[ev.ID] = n.heard
	case persist.EventUserChanged:
		u := userNews{n.heard, ev.Except}
		if old, ok := n.users[ev.UserID]; ok && old.except != ev.Except {
			u.except = persist.ID{} // no session is spared by both
		}
		n.users[ev.UserID] = u
	}
}

// outdated reports whether a row that l has read may be from before a change elsewhere.
func (a *loads) outdated(l *load, r persist.Record) bool {
	u := a.news.users[r.UserID]
	return a.news.sessions[r.ID] > l.heardBefore || u.heard > l.heardBefore && u.except != r.ID
}
