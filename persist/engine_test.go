package persist

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

type engineOf struct {
	Engine
	n int
}

func TestFileEngineNamesTheMissingImport(t *testing.T) {
	var r registry
	e, err := r.file()
	if e != nil || err == nil || !strings.Contains(err.Error(), `import _ "github.com/sessile/sessile/persist/sqlite"`) {
		t.Fatal(e, err)
	}
}

func TestRegisterEngineAcceptsOneEngine(t *testing.T) {
	var r registry
	var panics atomic.Int32
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			defer func() {
				if recover() != nil {
					panics.Add(1)
				}
			}()
			r.register(engineOf{n: n})
		})
	}
	all.Wait()
	if n := panics.Load(); n != 3 {
		t.Fatalf("%d of 4 registrations panic, want 3", n)
	}
	first, err := r.file()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.file(); err != nil || again != first {
		t.Fatal(again, err)
	}
}
