package suite

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/middleware/middlewaretest"
)

// TB is [testing.TB].
type TB = testing.TB

// patience is how long a request may take before it counts as stuck.
const patience = 10 * time.Second

// site is the application as one test has it, and a browser.
type site struct {
	TB
	*middlewaretest.Client
	app *App
	m   *middleware.Sessions
}

// Run checks that everything holds under a framework.
func Run(t *testing.T, mount Mount) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) { c.run(open(t, mount)) })
	}
}

// Names returns the names of the table.
func Names() []string {
	var names []string
	for _, c := range cases() {
		names = append(names, c.name)
	}
	return names
}

// Lost returns the names of what does not hold under a framework. It is for negative controls, and
// to document what an adapter loses.
func Lost(t *testing.T, mount Mount) []string {
	t.Helper()
	var names []string
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			p := &probe{TB: t}
			var wg sync.WaitGroup
			wg.Go(func() { c.run(open(p, mount)) })
			wg.Wait()
			if p.Failed() {
				names = append(names, c.name)
			}
		})
	}
	return names
}

func open(tb TB, mount Mount) *site {
	tb.Helper()
	store := middlewaretest.NewStore(tb, sessile.Config{MaxDataBytes: maxData})
	m := middlewaretest.Over(tb, store, middleware.Options{Guests: true, CarryOver: []string{"cart"}})
	app := &App{store: store, more: make(chan struct{})}
	c := middlewaretest.NewClient(tb, m, mount(tb, app, m))
	c.Timeout = patience
	return &site{TB: tb, Client: c, app: app, m: m}
}

// probe is a test that may fail without being a failure.
type probe struct {
	TB
	failed atomic.Bool
}

func (p *probe) Error(args ...any)            { p.Log(args...); p.Fail() }
func (p *probe) Errorf(f string, args ...any) { p.Logf(f, args...); p.Fail() }
func (p *probe) Fatal(args ...any)            { p.Log(args...); p.FailNow() }
func (p *probe) Fatalf(f string, args ...any) { p.Logf(f, args...); p.FailNow() }
func (p *probe) Fail()                        { p.failed.Store(true) }
func (p *probe) Failed() bool                 { return p.failed.Load() }

// FailNow ends the goroutine, as that of [testing.T] does.
func (p *probe) FailNow() {
	p.Fail()
	runtime.Goexit()
}
