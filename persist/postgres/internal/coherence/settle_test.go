//go:build unix

package coherence

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sessile/sessile"
)

// settle judges what is left two leases after the last fault: on every node, and on the database.
func (r *run) settle(t *testing.T) {
	t.Helper()
	<-time.After(2 * r.checker.lease)
	for _, n := range r.nodes {
		if a := n.call(request{Verb: flushAll}); a.Outcome != done {
			t.Errorf("Sync: %s %s", a.Outcome, a.Text)
		}
	}
	opened := make([]map[*token]bool, len(r.nodes))
	var all sync.WaitGroup
	for i, n := range r.nodes {
		all.Go(func() { opened[i] = r.openAll(i, n) })
	}
	all.Wait()
	r.compare(opened)
	r.checkRows(t)
}

// openAll reads every token on a node.
func (r *run) openAll(i int, n *node) map[*token]bool {
	opened := make(map[*token]bool)
	var mu sync.Mutex
	var all sync.WaitGroup
	tokens := make(chan *token)
	for range 16 {
		all.Go(func() {
			for t := range tokens {
				a := n.call(request{Verb: read, Token: t.text})
				r.checker.checkRead(read, i, t, 0, a)
				mu.Lock()
				opened[t] = a.Outcome == done
				mu.Unlock()
			}
		})
	}
	for _, t := range r.checker.all {
		tokens <- t
	}
	close(tokens)
	all.Wait()
	return opened
}

// compare checks that all nodes agree, and that a session has one token.
func (r *run) compare(opened []map[*token]bool) {
	r.checker.mu.Lock()
	defer r.checker.mu.Unlock()
	count := make(map[*session]int)
	for _, t := range r.checker.all {
		for i := range opened {
			if opened[i][t] != opened[0][t] {
				r.checker.report(nodesDisagree, "%v on node %d", opened[i][t], i)
			}
		}
		if opened[0][t] {
			if count[t.of]++; count[t.of] == 2 {
				r.checker.report(severalTokens, "%s", t.of.id)
			}
		}
	}
}

// checkRows checks that the database has no session whose end was acknowledged.
func (r *run) checkRows(t *testing.T) {
	t.Helper()
	var ids [][]byte
	for _, s := range r.checker.dead {
		id, err := sessile.ParseID(s.id)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id[:])
	}
	conn, err := pgx.Connect(t.Context(), shared.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var there int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM `+pgx.Identifier{r.schema, "session"}.Sanitize()+` WHERE id = ANY ($1)`, ids).Scan(&there)
	if err != nil {
		t.Fatal(err)
	}
	if there > 0 {
		r.checker.mu.Lock()
		r.checker.report(revived, "%d sessions", there)
		r.checker.mu.Unlock()
	}
}
