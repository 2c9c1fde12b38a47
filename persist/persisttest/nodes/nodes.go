// Package nodes proves that several stores over one backend are safe: what one node has
// acknowledged holds on the others. It runs real stores, because the faults of two nodes lie
// above the backend, where the suite of persisttest cannot see them.
//
// It is not part of persisttest, because the tests of the root and of the actor import that.
//
// A backend that nodes share has to pass [persisttest.Run], [persisttest.RunShared] and [Run].
package nodes

import (
	"testing"
	"testing/synctest"

	"github.com/sessile/sessile/persist"
)

// Node is one node's handle of a shared store. Its functions put a fault where a test of the
// engine can: below the backend. Where one is nil, the suite puts the fault above the backend.
type Node struct {
	Backend persist.Backend
	Silence func() (mend func()) // the feed delivers nothing, and its connections stay open
	Cut     func() (mend func()) // the feed's connections break, and new ones fail
	Freeze  func() (mend func()) // the connection that the next Apply uses answers no more; new ones work
}

// Opener opens n nodes of one empty store. It closes nothing: the stores do.
type Opener func(t *testing.T, n int) []Node

// Run runs the suite in real time, cases in parallel: they mostly wait. Each case is named by what
// must hold.
func Run(t *testing.T, open Opener) {
	t.Helper()
	run(t, open, func(t *testing.T, test func(*testing.T)) { t.Helper(); t.Parallel(); test(t) })
}

// RunVirtual is Run in virtual time, for a backend that waits for nothing outside its process.
func RunVirtual(t *testing.T, open Opener) {
	t.Helper()
	run(t, open, synctest.Test)
}

// test is one case, for a number of stores.
type test struct {
	name  string
	nodes int
	run   func(*fixture)
}

func run(t *testing.T, open Opener, in func(*testing.T, func(*testing.T))) {
	t.Helper()
	for _, group := range [][]test{updateTests(), leaseTests(), expiryTests(), stallTests(), barrierTests(), coherenceTests()} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				in(t, func(t *testing.T) { c.run(newFixture(t, open, c.nodes)) })
			})
		}
	}
}
