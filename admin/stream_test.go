package admin_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/admin"
)

// client reads an event stream through a pipe. The handler waits until it reads.
type client struct {
	*testing.T
	lines  *bufio.Scanner
	cancel context.CancelFunc
	done   chan struct{}
	status atomic.Int32
}

// pipeWriter is a response that goes through a pipe.
type pipeWriter struct {
	*io.PipeWriter
	header http.Header
	status *atomic.Int32
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) WriteHeader(n int)   { w.status.Store(int32(n)) }
func (w *pipeWriter) Flush()              {}

func (f *fixture) stream(path string, header ...string) *client {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	read, write := io.Pipe()
	c := &client{T: f.T, lines: bufio.NewScanner(read), cancel: cancel, done: make(chan struct{})}
	c.lines.Buffer(nil, 1<<20)
	go func() {
		defer close(c.done)
		f.handler.ServeHTTP(&pipeWriter{write, make(http.Header), &c.status}, r)
		write.Close()
	}()
	f.Cleanup(func() {
		cancel()
		read.Close()
		<-c.done
	})
	return c
}

// event is one server-sent event.
type event struct{ name, id, data string }

func (c *client) next() (e event) {
	for c.lines.Scan() {
		name, value, _ := strings.Cut(c.lines.Text(), ": ")
		switch name {
		case "":
			return e
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		}
	}
	return event{name: "eof"}
}

// until returns the next event of that name.
func (c *client) until(name string) event {
	c.Helper()
	for {
		switch e := c.next(); e.name {
		case name:
			return e
		case "eof":
			c.Fatalf("the stream ended before an event %q", name)
		}
	}
}

func TestEventsAreStreamedWithStatsEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setUp(t)
		c := f.stream("/admin/api/events")
		if e := c.next(); e.name != "stats" || !strings.Contains(e.data, `"state":"ok"`) {
			t.Fatalf("%+v", e)
		}
		began := time.Now()
		c.until("stats")
		if took := time.Since(began); took != time.Second {
			t.Errorf("the next came after %v", took)
		}
		go f.login("ann") // the stream is read meanwhile
		if e := c.until("event"); e.id != "0" || !strings.Contains(e.data, `"kind":"created"`) || !strings.Contains(e.data, `"user_id":"ann"`) {
			t.Errorf("%+v", e)
		}
	})
}

// TestEventsOfASlowClientAreDroppedAndCounted: a client that does not read costs no memory, and
// learns how much it has missed.
func TestEventsOfASlowClientAreDroppedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setUp(t)
		c := f.stream("/admin/api/events")
		c.until("stats")
		const all = 5000
		for i := range all {
			f.feed.Observe(sessile.Event{Kind: sessile.EventCreated, UserID: "user " + strconv.Itoa(i)})
		}
		var got, dropped int
		for last := ""; last != strconv.Itoa(all-1); {
			e := c.next()
			switch e.name {
			case "event":
				got, last = got+1, e.id
			case "dropped":
				n, err := strconv.Atoi(strings.Trim(e.data, `{"count:}`))
				if err != nil {
					t.Fatalf("%+v", e)
				}
				dropped += n
			case "eof":
				t.Fatal("the stream ended")
			}
		}
		if got+dropped != all || dropped < all-2*1024 {
			t.Errorf("%d events and %d dropped, of %d", got, dropped, all)
		}
	})
}

func TestEventsContinueAfterTheLastOneThatTheClientHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setUp(t)
		for i := range 10 {
			f.feed.Observe(sessile.Event{UserID: "user " + strconv.Itoa(i)})
		}
		if e := f.stream("/admin/api/events", "Last-Event-ID", "6").until("event"); e.id != "7" || !strings.Contains(e.data, "user 7") {
			t.Errorf("after 6: %+v", e)
		}
		if e := f.stream("/admin/live?from=6").until("event"); e.id != "6" {
			t.Errorf("from 6: %+v", e)
		}
		c := f.stream("/admin/api/events", "Last-Event-ID", "999999")
		c.until("stats")
		go f.feed.Observe(sessile.Event{UserID: "next"})
		if e := c.until("event"); e.id != "10" {
			t.Errorf("after a number of another process: %+v", e)
		}
		for _, last := range []string{"x", "-1", "99999999999999999999", strings.Repeat("9", 1<<16)} {
			if w := f.send(http.MethodGet, "/admin/api/events", "", "Last-Event-ID", last); w.Code != http.StatusBadRequest {
				t.Errorf("%.20q: %d", last, w.Code)
			}
		}
	})
}

func TestEventsEndWhenTheClientMayNoLongerSeeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Bool
		f := setUp(t, func(o *admin.Options) {
			o.Authorize = func(*http.Request) error {
				if refused.Load() {
					return errors.New("logged out")
				}
				return nil
			}
		})
		c := f.stream("/admin/live")
		c.until("live")
		refused.Store(true)
		began := time.Now()
		if e := c.until("end"); strings.Contains(e.data, "logged out") || time.Since(began) > 10*time.Second {
			t.Errorf("%+v after %v", e, time.Since(began))
		}
		<-c.done
	})
}

func TestEventsEndWhenTheServerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closing := make(chan struct{})
		f := setUp(t, func(o *admin.Options) { o.Closing = closing })
		c := f.stream("/admin/api/events")
		c.until("stats")
		close(closing)
		<-c.done
	})
}

func TestEventsRefuseTooManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setUp(t)
		var open []*client
		for range 64 {
			c := f.stream("/admin/api/events")
			c.until("stats")
			open = append(open, c)
		}
		if w := f.get("/admin/api/events"); w.Code != http.StatusServiceUnavailable {
			t.Fatalf("one more: %d", w.Code)
		}
		open[0].cancel()
		<-open[0].done
		f.stream("/admin/api/events").until("stats")
	})
}

func TestEventsAnswerHEADWithoutAStream(t *testing.T) {
	f := setUp(t)
	if w := f.send(http.MethodHead, "/admin/api/events", ""); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
