// Package bench measures Sessile beside other session libraries and beside the
// bare steps that none of them can do without, in one process, on the same work.
// It is a module of its own: users of the library do not pay for the rivals.
package bench
