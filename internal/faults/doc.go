// Package faults proves what a failing disk may do to a store (checklist R4, R5,
// R11): every I/O call of a scripted life of sessions fails, in every way, and
// what was acknowledged must hold, then, after the store has closed or crashed,
// and after it was opened again. It has tests only.
package faults
