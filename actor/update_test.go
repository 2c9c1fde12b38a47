package actor

import (
	"errors"
	"testing"
)

// TestDataUpToItsBoundIsTakenAndMoreIsNot (S45), but what is too much already may shrink.
func TestDataUpToItsBoundIsTakenAndMoreIsNot(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	try := func(bound int, value string) error {
		r := g.update(id, value)
		r.maxData = bound
		return g.answer(g.do(r), r).err
	}
	equal(t, "at the bound", try(10, "1234"), nil) // {"k":1234}
	equal(t, "beyond it", errors.Is(try(10, "12345"), ErrDataTooLarge), true)
	equal(t, "as much of too much", errors.Is(try(9, "4321"), ErrDataTooLarge), true)
	equal(t, "less of too much", try(8, "321"), nil)
	g.pass(interval)
	g.settle()
	rec, _ := g.disk.ByID(t.Context(), id)
	equal(t, "stored", string(rec.Data), `{"k":321}`)
}
