package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

func (b *browser) sessionID() string {
	b.Helper()
	var who apiWho
	if err := json.Unmarshal([]byte(b.get("/api/me").body), &who); err != nil {
		b.Fatal(err)
	}
	return who.Session.ID.String()
}

// stream opens the live stream of the session.
func (b *browser) stream() (next func() (string, string)) {
	b.Helper()
	return b.streamOf("/live/stream")
}

// streamOf opens a stream. next returns the name and the data of the next event.
func (b *browser) streamOf(path string) (next func() (string, string)) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second) // a missing note fails the test
	b.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		b.Fatalf("the stream: %d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	return func() (string, string) {
		var name, data string
		for lines.Scan() {
			switch line := lines.Text(); {
			case line == "":
				return name, data
			case strings.HasPrefix(line, "event: "):
				name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				data = line[len("data: "):]
			}
		}
		return "eof", ""
	}
}

// until reads events until one has the given name and contains the text.
func until(t *testing.T, next func() (string, string), name, text string) {
	t.Helper()
	for {
		switch n, data := next(); {
		case n == name && strings.Contains(data, text):
			return
		case n == "eof":
			t.Fatalf("the stream ended before %s %q", name, text)
		}
	}
}

func TestStreamShowsChangesAndEndsWithItsSession(t *testing.T) {
	s := newSite(t, nil)
	alice, other := s.browser().login("alice"), s.browser().login("alice")
	next := alice.stream()
	until(t, next, "snapshot", `"devices":2`)
	alice.post("/count")
	until(t, next, "snapshot", `"count":1`)
	alice.post("/rotate")
	until(t, next, "note", "token")
	alice.post("/count")
	until(t, next, "snapshot", `"count":2`)
	other.post("/devices/logout-others")
	until(t, next, "end", "logged out")
	if name, _ := next(); name != "eof" {
		t.Errorf("after the end came %q", name)
	}
}

func TestStreamNamesDevicesAndSaysWhyTheyEnd(t *testing.T) {
	s := newSite(t, func(c *settings.Settings) { c.Store.MaxSessionsPerUser = 2 })
	alice := s.browser().login("alice")
	next := alice.stream()
	until(t, next, "snapshot", `"devices":1`)
	phone := s.browser()
	phone.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
	phone.login("alice")
	until(t, next, "note", "Safari on iPhone has logged in.")
	phone.post("/logout")
	until(t, next, "note", "Safari on iPhone was logged out.")
	alice.post("/count") // the less recently active of two is the one that goes
	old := s.browser().login("alice")
	ended := old.stream()
	until(t, ended, "snapshot", `"devices":2`)
	alice.post("/count")
	s.browser().login("alice")
	until(t, next, "note", "more devices than allowed")
	until(t, ended, "end", "more devices than allowed")
}

func TestStreamOfAnExpiredSessionSaysSo(t *testing.T) {
	s := newSite(t, func(c *settings.Settings) { c.Store.TTL, c.Store.TouchInterval = time.Second, time.Second })
	next := s.browser().login("alice").stream()
	until(t, next, "end", "has expired")
}

func TestStreamEndsWithTheServer(t *testing.T) {
	s := newSite(t, nil)
	next := s.browser().login("alice").stream()
	until(t, next, "snapshot", `"devices":1`)
	s.app.EndStreams()
	for name := ""; name != "eof"; {
		name, _ = next()
	}
}

func TestSlowPagesMissNotesAndHoldUpNobody(t *testing.T) {
	h := newHub()
	w := h.watch([16]byte{1}, "alice")
	for range notesKept + 5 {
		h.toUser("alice", "x")
		h.toUser("", "not for guests")
		h.toSession([16]byte{2}, "not for this one")
	}
	if len(w.notes) != notesKept {
		t.Errorf("%d notes wait, want %d", len(w.notes), notesKept)
	}
	h.leave(w)
	h.toUser("alice", "gone")
}

func TestRunServesUntilItIsToldToStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var log bytes.Buffer
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, []string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "run.db"), "-tls"}, nil, in, &log)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "listening on https://127.0.0.1:") {
		t.Errorf("the first line is %q, %v", line, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the demo ended with %v\n%s", err, log.String())
	}
	if strings.Contains(log.String(), "ERROR") {
		t.Errorf("the log:\n%s", log.String())
	}
}

func TestRunReportsWhatIsWrong(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(foreign, bytes.Repeat([]byte("not a session store\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want error
	}{
		{[]string{"-db", foreign}, sessile.ErrNotStore},
		{[]string{"-db", filepath.Join(t.TempDir(), "a.db"), "-store.ttl", "1ns"}, sessile.ErrInvalidConfig},
		{[]string{"-addr", "nowhere"}, settings.ErrInvalid},
	} {
		if err := Run(t.Context(), append([]string{"-addr", "127.0.0.1:0"}, c.args...), nil, io.Discard, io.Discard); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.args, err, c.want)
		}
	}
}
