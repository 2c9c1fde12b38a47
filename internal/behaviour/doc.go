// Package behaviour is the behaviour suite of the store: its contract, one case per rule. The cases use only
// the public API and what the middleware uses, so they run over every backend. store_test.go in the root
// package is their index.
//
// [Run] runs all cases over a backend. Each case runs once per variant of the configuration.
package behaviour
