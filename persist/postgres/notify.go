package postgres

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/sessile/sessile/persist"
)

// notifySQL reaches every listener when the transaction commits.
const notifySQL = `SELECT pg_notify($1, $2)`

// Kinds of notifications. The payload is the kind, the node that sends it, and fields in base64, with a space between.
const (
	sessionsKind = "S" // ids
	userKind     = "U" // user, except
	beatKind     = "B" // number
	resetKind    = "R" // anything may have changed
)

// A payload has less than 8,000 bytes. 300 ids are 6,400 of base64.
const (
	idsPerNotification = 300
	mostPayload        = 7999
)

// errPayload is the error for a notification of a newer node or of another program.
var errPayload = errors.New("unreadable notification")

// channel is what the nodes of this store listen to.
func (d *DB) channel() string { return "sessile:" + d.cfg.Schema }

// payloads are the notifications of what the transaction changes. They leave out touches, which only extend sessions.
func (t *transaction) payloads() []string {
	var all []string
	seen := make(map[persist.ID]bool, len(t.changed))
	var ids []byte
	for _, id := range t.changed {
		if seen[id] {
			continue
		}
		seen[id] = true
		if ids = append(ids, id[:]...); len(ids) == idsPerNotification*len(id) {
			all = append(all, t.db.payload(sessionsKind, ids))
			ids = ids[:0]
		}
	}
	if len(ids) > 0 {
		all = append(all, t.db.payload(sessionsKind, ids))
	}
	for i := range t.b.Ops {
		if o := &t.b.Ops[i]; o.Kind == persist.OpDestroyUser && o.User.ID != "" {
			p := t.db.payload(userKind, []byte(o.User.ID), o.Except[:])
			if len(p) > mostPayload { // a very long user id
				p = t.db.payload(resetKind)
			}
			all = append(all, p)
		}
	}
	return all
}

func (d *DB) payload(kind string, fields ...[]byte) string {
	parts := []string{kind, d.name()}
	for _, f := range fields {
		parts = append(parts, base64.RawStdEncoding.EncodeToString(f))
	}
	return strings.Join(parts, " ")
}

// name is the node's name in notifications. It changes after a batch of unknown outcome. If that batch is committed later, its
// notification counts as another node's.
func (d *DB) name() string { return d.node + "." + strconv.FormatInt(d.unknown.Load(), 10) }

// own reports whether the node has sent a notification under its present name, or a beat under any of its names.
func (d *DB) own(n *notification) bool {
	return n.node == d.name() || n.kind == beatKind && strings.HasPrefix(n.node, d.node+".")
}

// notification is a payload that was received.
type notification struct {
	kind, node string
	fields     [][]byte
}

func parseNotification(payload string) (n notification, err error) {
	parts := strings.Split(payload, " ")
	if len(parts) < 2 {
		return n, errPayload
	}
	n.kind, n.node = parts[0], parts[1]
	for _, p := range parts[2:] {
		f, err := base64.RawStdEncoding.DecodeString(p)
		if err != nil {
			return n, errPayload
		}
		n.fields = append(n.fields, f)
	}
	return n, nil
}

// events are what a notification of another node means.
func (n *notification) events() ([]persist.Event, error) {
	switch {
	case n.kind == beatKind:
		return nil, nil
	case n.kind == sessionsKind && len(n.fields) == 1 && len(n.fields[0])%len(persist.ID{}) == 0:
		var l []persist.Event
		for raw := n.fields[0]; len(raw) > 0; raw = raw[len(persist.ID{}):] {
			l = append(l, persist.Event{Kind: persist.EventSessionChanged, ID: persist.ID(raw[:len(persist.ID{})])})
		}
		return l, nil
	case n.kind == userKind && len(n.fields) == 2 && len(n.fields[1]) == len(persist.ID{}):
		return []persist.Event{{Kind: persist.EventUserChanged, UserID: string(n.fields[0]), Except: persist.ID(n.fields[1])}}, nil
	default:
		return nil, errPayload
	}
}
