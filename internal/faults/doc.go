// Package faults tests a store on a failing disk. Every I/O call of a script of session calls fails,
// in every way. What was acknowledged must hold at once, after the store has closed or crashed, and
// after it was opened again. The package has only tests.
package faults
