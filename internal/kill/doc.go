// Package kill proves what survives kill -9 (checklist R1): a child process works
// on a store and tells on a pipe what was acknowledged to it; the parent kills it
// at a random moment, opens the file again, and holds it to what was told.
// It has tests only.
package kill
