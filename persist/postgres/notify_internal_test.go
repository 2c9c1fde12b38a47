package postgres

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/sessile/sessile/persist"
)

func TestNotificationsHaveLessThan8000Bytes(t *testing.T) {
	d := &DB{node: "0123456789abcdef"}
	tr := &transaction{db: d, b: &persist.Batch{Ops: []persist.Op{
		{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: strings.Repeat("u", 512)}},
		{Kind: persist.OpDestroyUser, User: persist.UserKey{ID: strings.Repeat("u", 100_000)}},
	}}}
	for n := range 1000 {
		var id persist.ID
		binary.BigEndian.PutUint64(id[:], uint64(n))
		tr.changed = append(tr.changed, id, id)
	}
	ids, users, resets := 0, 0, 0
	for _, p := range tr.payloads() {
		if len(p) >= 8000 {
			t.Errorf("a payload of %d bytes", len(p))
		}
		n, err := parseNotification(p)
		if err != nil {
			t.Fatal(err)
		}
		switch n.kind {
		case sessionsKind:
			ids += len(n.fields[0]) / 16
		case userKind:
			users++
		case resetKind:
			resets++
		}
	}
	if ids != 1000 || users != 1 || resets != 1 {
		t.Fatalf("%d sessions, %d users, %d resets", ids, users, resets)
	}
}
