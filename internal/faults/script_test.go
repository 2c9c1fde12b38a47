package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/harness"
	"github.com/sessile/sessile/internal/ledger"
)

const (
	patience = 2 * time.Second // timeout of every call
	recovery = 5 * time.Second // how long a store may need after the disk has recovered
)

// script is the sequence of calls that the faults interrupt.
type script struct {
	in     *injector
	setup  harness.Setup
	store  *sessile.Store // nil while it is closed
	ledger *ledger.Ledger
	client *harness.Client // makes the calls
	other  *harness.Client // logs in once, and must not be affected
	lossy  bool            // a Close failed, so pending changes may be lost
	found  []ledger.Violation
}

func (s *script) report(k ledger.Kind, format string, args ...any) {
	s.found = append(s.found, ledger.Violation{Kind: k, What: fmt.Sprintf(format, args...)})
}

// run makes the calls and checks what is left.
func (s *script) run(crash bool) []ledger.Violation {
	s.ledger = ledger.New()
	faulty := s.in.fault.call >= 0
	s.client = &harness.Client{User: "ann", Max: s.setup.Max, Patience: patience, Record: s.ledger.Add, Faulty: faulty}
	s.other = &harness.Client{User: "bob", Max: s.setup.Max, Patience: patience, Record: s.ledger.Add, Faulty: faulty}
	if *trace {
		s.client.Trace = func(call string, err error) { fmt.Println(len(s.in.calls), time.Now().Format("05.000"), call, err) }
	}
	if s.open() {
		s.firstHalf()
		s.stop()
	}
	if s.store != nil || s.open() {
		s.secondHalf()
	}
	if crash {
		s.crash()
	}
	s.in.lift()
	s.client.Faulty, s.other.Faulty = false, false
	if !crash {
		s.recover()
	}
	s.end(crash)
	return append(append(s.found, s.client.Found()...), s.other.Found()...)
}

// open opens the store. Under a fault it may need two attempts, and may fail.
func (s *script) open() bool {
	var err error
	for range 2 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		s.store, err = s.setup.Open(ctx)
		cancel()
		if d := time.Since(began); d > 2*patience {
			s.report(ledger.Late, "Open took %v", d)
		}
		if err == nil {
			s.client.Restart(s.store, s.lossy)
			s.other.Restart(s.store, s.lossy)
			return true
		}
		s.store = nil
		if !ledger.Documented(err) {
			s.report(ledger.Unnamed, "Open: %v", err)
		}
	}
	if !s.client.Faulty {
		s.report(ledger.Unreadable, "it does not open: %v", err)
	}
	return false
}

// stop closes the store.
func (s *script) stop() {
	began := time.Now()
	err := s.store.Close()
	if d := time.Since(began); d > 2*recovery {
		s.report(ledger.Late, "Close took %v", d)
	}
	s.store = nil
	if err != nil {
		s.lossy = true
		if !s.client.Faulty {
			s.report(ledger.Unreadable, "Close: %v", err)
		}
	}
}

func wait() { <-time.After(100 * time.Millisecond) } // longer than BatchInterval

func (s *script) firstHalf() {
	c := s.client
	s.other.Create(0)
	for range 3 {
		c.Create(0)
		wait()
	}
	c.Read(0) // cold, because others were used since
	c.Update(0, false)
	c.Touch(1)
	c.Rotate(0, false)
	c.Read(0)
	wait()
	c.Rotate(1, true)
	c.Read(1)
	c.Update(2, true)
	c.Destroy(2)
	c.Read(1)
	for range 4 { // the last ones evict
		c.Create(0)
		wait()
	}
	c.Update(1, false)
	_ = c.Sync()
	c.DestroyOthers(1)
	c.Read(0)
	c.Create(time.Second)
	c.Expire(2 * time.Second)
	s.backup()
	c.Create(0)
	c.Update(0, false)
	c.Touch(1)
}

func (s *script) secondHalf() {
	c := s.client
	c.Read(0)
	c.Rotate(1, false)
	c.Create(0)
	c.Update(0, false)
	c.Destroy(1)
	wait()
	c.Update(0, true)
	c.Touch(0)
	s.other.Read(0)
}

// backup compares a copy with what was promised until then.
func (s *script) backup() {
	path := s.setup.Path + ".backup"
	if s.client.Backup(path) {
		s.check(path, ledger.Crashed)
	}
}

// check opens a file on a disk without faults and compares it with the ledger.
func (s *script) check(path string, when ledger.When) {
	ctx := context.Background()
	store, err := harness.Setup{Path: path, Hot: 100, Max: s.setup.Max}.Open(ctx)
	if err != nil {
		s.report(ledger.Corrupt, "%s does not open: %v", filepath.Base(path), err)
		return
	}
	for _, b := range s.ledger.Check(ctx, store, when) {
		s.report(b.Kind, "in %s: %s", filepath.Base(path), b.What)
	}
	if err := store.Close(); err != nil {
		s.report(ledger.Corrupt, "%s does not close: %v", filepath.Base(path), err)
	}
	s.found = append(s.found, ledger.Integrity(path)...)
}

// crash checks the file as if the process had been killed now.
func (s *script) crash() {
	path := s.setup.Path + ".crash"
	if err := harness.Copy(s.setup.Path, path); err != nil {
		s.report(ledger.Unreadable, "copying: %v", err)
		return
	}
	s.check(path, ledger.Crashed)
}

// recover continues with the same store after the disk has recovered.
func (s *script) recover() {
	if s.store == nil && !s.open() {
		return
	}
	c := s.client
	c.Patience = recovery
	if err := c.Sync(); err != nil {
		s.report(ledger.Late, "it has not recovered after %v: %v", recovery, err)
	}
	c.Read(0)
	c.Create(0)
	c.Create(0)
	c.Update(0, true)
	c.Rotate(0, false)
	c.Destroy(1)
	for _, b := range s.ledger.Check(context.Background(), s.store, s.when()) {
		s.report(b.Kind, "recovered: %s", b.What)
	}
}

func (s *script) when() ledger.When {
	if s.lossy {
		return ledger.Crashed
	}
	return ledger.Settled
}

// end closes the store and checks what is left.
func (s *script) end(crash bool) {
	if s.store != nil {
		s.stop()
	}
	if !crash {
		s.check(s.setup.Path, s.when())
	}
}
