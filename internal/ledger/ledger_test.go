package ledger_test

import (
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/ledger"
	_ "github.com/sessile/sessile/persist/sqlite" // links SQLite for sessile.Open
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// account is a store with one session, and its ledger.
type account struct {
	*testing.T
	store  *sessile.Store
	ledger *ledger.Ledger
	id     sessile.ID
	token  sessile.Token
}

func newAccount(t *testing.T) *account {
	t.Helper()
	store, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	a := &account{T: t, store: store, ledger: ledger.New()}
	s, token, err := store.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	a.id, a.token = s.ID(), token
	a.add(ledger.Create, ledger.Begun)
	a.ledger.Add(ledger.Entry{Op: ledger.Create, Stage: ledger.Done, User: "ann", IDs: []sessile.ID{a.id}, Token: token})
	return a
}

func (a *account) add(op ledger.Op, stage ledger.Stage) {
	e := ledger.Entry{Op: op, Stage: stage, User: "ann", N: 7, Wait: true}
	if op != ledger.Create {
		e.IDs = []sessile.ID{a.id}
	}
	a.ledger.Add(e)
}

// is fails the test unless the store breaks exactly these promises.
func (a *account) is(when ledger.When, want ...ledger.Kind) {
	a.Helper()
	var got []ledger.Kind
	for _, v := range a.ledger.Check(a.Context(), a.store, when) {
		got = append(got, v.Kind)
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		a.Errorf("%v, want %v", got, want)
	}
}

func TestLedgerFindsNothingInAStoreThatKeepsItsPromises(t *testing.T) {
	a := newAccount(t)
	a.is(ledger.Settled)
	a.is(ledger.Crashed)
}

func TestLedgerFindsAnAcknowledgedDestroyUndone(t *testing.T) {
	a := newAccount(t)
	a.add(ledger.Destroy, ledger.Begun)
	a.is(ledger.Crashed)
	a.is(ledger.Settled, ledger.Undone)
	a.add(ledger.Destroy, ledger.Done)
	a.is(ledger.Crashed, ledger.Undone)
}

func TestLedgerFindsALostSessionUnlessItsEndHadBegun(t *testing.T) {
	a := newAccount(t)
	if err := a.store.Destroy(a.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	a.is(ledger.Crashed, ledger.Lost)
	a.add(ledger.Destroy, ledger.Begun)
	a.is(ledger.Crashed)
	a.add(ledger.Destroy, ledger.Refused)
	a.is(ledger.Crashed, ledger.Lost)
}

func TestLedgerFindsALostDurableUpdate(t *testing.T) {
	a := newAccount(t)
	a.add(ledger.Update, ledger.Begun)
	a.is(ledger.Settled)
	a.add(ledger.Update, ledger.Done)
	a.is(ledger.Crashed, ledger.Lost)
}

func TestLedgerFindsAReplacedTokenThatIsValid(t *testing.T) {
	a := newAccount(t)
	old := a.token
	_, next, err := a.store.Rotate(a.Context(), a.id, sessile.Rotation{Grace: true})
	if err != nil {
		t.Fatal(err)
	}
	done := ledger.Entry{Op: ledger.Rotate, Stage: ledger.Done, User: "ann", IDs: []sessile.ID{a.id}, Token: next}
	a.add(ledger.Rotate, ledger.Begun)
	a.ledger.Add(done)
	if _, err := a.store.ReadByToken(a.Context(), old); err != nil {
		t.Fatal(err)
	}
	a.is(ledger.Crashed, ledger.Resurrected)
}

func TestLedgerFindsASessionThatNobodyWasGiven(t *testing.T) {
	a := newAccount(t)
	if _, _, err := a.store.Create(a.Context(), sessile.Meta{}, "ann", nil); err != nil {
		t.Fatal(err)
	}
	a.is(ledger.Crashed, ledger.Unissued)
	a.add(ledger.Create, ledger.Begun)
	a.is(ledger.Crashed)
	a.is(ledger.Settled, ledger.Unissued)
}

func TestLedgerSettleDecidesWhatWasUnknown(t *testing.T) {
	a := newAccount(t)
	ids := []sessile.ID{a.id}
	a.add(ledger.Destroy, ledger.Begun)
	if err := a.ledger.Settle(t.Context(), a.store, ids); err != nil {
		t.Fatal(err)
	}
	a.is(ledger.Settled) // it exists, so it was not destroyed
	if err := a.store.Destroy(a.Context(), a.id); err != nil {
		t.Fatal(err)
	}
	a.is(ledger.Crashed, ledger.Lost)
	a.add(ledger.Destroy, ledger.Begun)
	if err := a.ledger.Settle(t.Context(), a.store, ids); err != nil {
		t.Fatal(err)
	}
	if got := a.ledger.SessionsOf("ann"); len(got) > 0 {
		t.Errorf("%v is gone", got)
	}
}
