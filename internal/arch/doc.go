// Package arch holds the tests that keep the architecture: who may
// import whom, where the clock is read, where goroutines start, how long a file
// may be. It owns the rules (rules_test.go) and its checker, reads source text
// and the output of go list only, and refuses to know what the code does.
package arch
