package nodes

import (
	"context"
	"errors"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// stallTests are about connections that hang or end.
func stallTests() []test {
	return []test{
		{"a node goes on after a commit that hangs", 1, hangingCommit},
		{"a commit that lands after its deadline is seen by its own node", 2, lateCommit},
		{"a session whose commit lands after its deadline is destroyed", 1, lateLogin},
		{"a watch that returns is started again", 2, func(f *fixture) { watchEnds(f, nil) }},
		{"a watch that fails is started again", 2, func(f *fixture) { watchEnds(f, persist.ErrUnavailable) }},
	}
}

// applyPatience is more than a node waits for a commit.
const applyPatience = 3 * time.Second

// hangs has the next commit of a node hang, and an Update run into it.
func hangs(f *fixture, n *node, id sessile.ID) {
	f.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(f.Context(), 2*applyPatience)
	defer cancel()
	err := set(ctx, n, id, "k", 1)
	if took := time.Since(began); took > applyPatience || !errors.Is(err, sessile.ErrUnknown) && !errors.Is(err, sessile.ErrUnavailable) {
		f.Fatalf("an update whose commit hangs: %v after %v", err, took)
	}
}

// hangingCommit: N10.
func hangingCommit(f *fixture) {
	n := f.nodes[0]
	id, _ := f.login(n, "ann")
	other, _ := f.login(n, "bob")
	f.fault(n.freeze)
	hangs(f, n, id)
	f.until(applyPatience, "the node commits again", func() bool { return set(f.Context(), n, other, "k", 2) == nil })
	if got := f.stored(other, "k"); got != 2 {
		f.Fatalf("acknowledged after the stall, and the database has %d", got)
	}
}

// lateCommit: nobody knows that it was done, and the node must not go on for ever with what
// it read before.
func lateCommit(f *fixture) {
	n := f.nodes[0]
	id, token := f.login(n, "ann")
	mend := f.fault(n.freeze)
	hangs(f, n, id)
	f.until(applyPatience, "the node serves the session", func() bool { _, err := n.ReadByToken(f.Context(), token); return err == nil })
	f.trusts(n, token)
	mend()
	f.wait(2 * f.lease)
	s, err := n.ReadByToken(f.Context(), token)
	f.ok("ReadByToken", err)
	if got, _, _ := sessile.Get[int](s, "k"); got != f.stored(id, "k") {
		f.Fatalf("the node shows %d, and the database has %d", got, f.stored(id, "k"))
	}
}

// lateLogin: the session is destroyed before its commit lands, and once more after that.
func lateLogin(f *fixture) {
	n := f.nodes[0]
	mend := f.fault(n.freeze)
	ctx, cancel := context.WithTimeout(f.Context(), 2*applyPatience)
	defer cancel()
	_, _, err := n.Create(ctx, sessile.Meta{}, "ann", nil)
	if !errors.Is(err, sessile.ErrUnknown) && !errors.Is(err, sessile.ErrUnavailable) {
		f.Fatalf("a login whose commit hangs: %v", err)
	}
	f.wait(500 * time.Millisecond)
	mend()
	f.wait(applyPatience)
	l, err := f.db.ByUser(f.Context(), persist.UserKey{ID: "ann"})
	f.ok("ByUser", err)
	if len(l.Records) > 0 {
		f.Fatal("there is a session that nobody has the token of")
	}
}

// watchEnds: N11.
func watchEnds(f *fixture, err error) {
	a, b := f.nodes[0], f.nodes[1]
	id, token := f.login(a, "ann")
	f.trusts(b, token)
	b.link.endWatch(err)
	f.ok("Destroy", a.Destroy(f.Context(), id))
	f.refuses(b, token, "the other node refuses what was destroyed")
	_, token = f.login(a, "bob")
	f.trusts(b, token)
}
