package power

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/sessile/sessile/internal/faultvfs"
	"github.com/sessile/sessile/internal/ledger"
)

// Event is a call to the file system or an entry of the ledger.
type Event struct {
	Call   faultvfs.Call // Op is "" for an entry
	Failed bool          // Call is a Sync that failed
	Entry  ledger.Entry
}

// Recorder is a hook that records a run. In a synctest bubble, the order of events depends only on the
// seed: each call that changes a file starts a moment later than everything that the store does
// meanwhile.
type Recorder struct {
	DropSyncs      bool // control: syncs are not passed on, as with synchronous=OFF
	HideSyncErrors bool // control: a failed sync is reported as successful

	mu     sync.Mutex
	events []Event
	fail   func(path string) bool // reports whether this sync fails; nil = never
}

// Durations of disk calls.
const (
	writeTime = 50 * time.Microsecond
	syncTime  = time.Millisecond
)

// Hook records a call.
func (rec *Recorder) Hook(c faultvfs.Call) faultvfs.Verdict {
	if c.Path == "" || c.Op == faultvfs.Read || c.Op == faultvfs.Lock || c.Op == faultvfs.Open {
		return faultvfs.Verdict{}
	}
	e := Event{Call: c}
	e.Call.Data = slices.Clone(c.Data)
	<-time.After(writeTime)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if c.Op != faultvfs.Sync {
		rec.events = append(rec.events, e)
		return faultvfs.Verdict{}
	}
	if rec.DropSyncs && strings.HasSuffix(c.Path, "-wal") {
		return faultvfs.Verdict{Delay: syncTime, Drop: true}
	}
	e.Failed = rec.fail != nil && rec.fail(c.Path)
	rec.events = append(rec.events, e)
	v := faultvfs.Verdict{Delay: syncTime}
	if e.Failed && !rec.HideSyncErrors {
		v.Code = lib.SQLITE_IOERR_FSYNC
	}
	return v
}

// Break sets which syncs fail from now on, and returns the previous setting.
func (rec *Recorder) Break(fail func(path string) bool) (before func(path string) bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	before, rec.fail = rec.fail, fail
	return before
}

// Add records an entry of the ledger.
func (rec *Recorder) Add(n ledger.Entry) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	n.IDs = slices.Clone(n.IDs)
	rec.events = append(rec.events, Event{Entry: n})
}

// Events returns the events so far.
func (rec *Recorder) Events() []Event {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.events
}

// Replay steps through a record. It holds the disk and the ledger of one moment.
type Replay struct {
	Disk   *Disk
	Ledger *ledger.Ledger
	At     int
	r      *rand.Rand
}

// NewReplay returns a replay at the start. r decides what failed syncs leave.
func NewReplay(r *rand.Rand) *Replay {
	return &Replay{Disk: NewDisk(), Ledger: ledger.New(), r: r}
}

// Advance continues to the n-th event.
func (p *Replay) Advance(events []Event, n int) {
	for ; p.At < n; p.At++ {
		switch e := events[p.At]; {
		case e.Call.Op == "":
			p.Ledger.Add(e.Entry)
		case e.Failed:
			p.Disk.FailSync(e.Call.Path, p.r)
		default:
			p.Disk.Do(e.Call)
		}
	}
}

// Shape returns the events without their data. The same seed gives the same shape.
func Shape(events []Event) (list []string) {
	for _, e := range events {
		if e.Call.Op == "" {
			list = append(list, string(e.Entry.Op)+" "+string(e.Entry.Stage)+" "+e.Entry.User)
			continue
		}
		list = append(list, string(e.Call.Op)+" "+filepath.Base(e.Call.Path)+" "+time.Duration(e.Call.Off).String())
	}
	return list
}
