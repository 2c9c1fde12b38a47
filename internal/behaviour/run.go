package behaviour

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

// Backend is an empty backend for one case.
type Backend struct {
	// Open opens a store over it. After the store was closed, Open opens the same sessions again.
	Open func(cfg sessile.Config) (*sessile.Store, error)
	// SetClock sets the clock of a backend that nodes share: that clock decides what has expired. Such a
	// backend must have a clock that tests can set. Nil for other backends.
	SetClock func(now time.Time)
}

// Opener makes a backend. It may register its end with t.Cleanup.
type Opener func(t *testing.T) Backend

// Case is one rule of the contract.
type Case struct {
	Name string // of the function
	Run  func(f *Fixture)
}

// Run runs every case over the backends that open makes, in parallel: over a server they mostly wait.
func Run(t *testing.T, open Opener) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			RunCase(t, open, c.Run)
		})
	}
}

// RunCase runs one case, once per variant of the configuration.
func RunCase(t *testing.T, open Opener, run func(f *Fixture)) {
	t.Helper()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) { run(newFixture(t, open, v)) })
	}
}

// variant is a configuration that must not change the behaviour.
type variant struct {
	name    string
	config  sessile.Config
	reopens bool // the store is closed and opened again before every call
}

func variants() []variant {
	return []variant{
		{name: "large"},
		{name: "small", config: sessile.Config{CacheSize: 1}}, // everything goes through the disk
		{name: "slow batches", config: sessile.Config{BatchInterval: time.Hour}},
		{name: "tiny batches", config: sessile.Config{BatchSize: 1, CacheSize: 2}},
		{name: "reopened", reopens: true},
	}
}

// named names cases after their functions.
func named(functions ...func(*Fixture)) []Case {
	var l []Case
	for _, run := range functions {
		full := runtime.FuncForPC(reflect.ValueOf(run).Pointer()).Name()
		l = append(l, Case{Name: full[strings.LastIndexByte(full, '.')+1:], Run: run})
	}
	return l
}
