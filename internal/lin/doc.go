// Package lin checks with Porcupine that concurrent calls of a store are linearizable: they look as if
// each had happened at one moment between its start and its end. Half of the histories have a crash in
// the middle. Calls on two nodes of one backend are checked against what nodes promise: one order of all
// changes, which Verify follows at once, and every node after a barrier. The package has only tests.
package lin
