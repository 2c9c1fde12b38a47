package bench

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	serveName  = flag.String("serve", "", "serve this contestant over HTTP until the standard input ends; the bench starts itself so")
	serveUsers = flag.Int("serve.users", 0, "with -serve: sessions")
	serveHot   = flag.Int("serve.hot", 0, "with -serve: sessions that memory may hold, 0 = all")
	serveDir   = flag.String("serve.dir", "", "with -serve: where the cookies and the address go")
)

// TestServe is the process of a server. It writes a Cookie header for each request to the file "cookies", and then its address to
// the file "address".
func TestServe(t *testing.T) {
	if *serveName == "" {
		t.Skip("the other tests start it")
	}
	s := newSite(t, contestantNamed(*serveName), *serveUsers, options{hot: *serveHot})
	if s == nil {
		t.Fatal("does not run here")
	}
	s.settle()
	if err := writeCookies(filepath.Join(*serveDir, "cookies"), newDrawn(s, *serveHot > 0), *serveUsers); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: &census{next: s.handler}, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	path := filepath.Join(*serveDir, "address")
	if err := os.WriteFile(path+".new", []byte(listener.Addr().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the client closes it
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

// writeCookies writes a Cookie header a line, in the order of the requests. Drawn evenly, every session comes once, in random
// order. By Zipf, there are four lines for each session, of which a few sessions have most.
func writeCookies(path string, d *drawn, users int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	if d.zipf {
		for i := range 4 * users {
			fmt.Fprintln(w, d.header(i))
		}
	} else {
		for _, i := range d.permuted() {
			fmt.Fprintln(w, d.headers[i])
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// census counts the sessions whose cookies a server gets, while it is on.
type census struct {
	next http.Handler
	on   atomic.Bool
	seen sync.Map // Cookie headers
}

const (
	censusStart = "/census/start"
	censusEnd   = "/census/end" // answers the number of different headers, and how many of them have no cookie
)

func (c *census) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case censusStart:
		c.on.Store(true)
		return
	case censusEnd:
		c.on.Store(false)
		n, strange := 0, 0
		c.seen.Range(func(k, _ any) bool {
			n++
			if header, ok := k.(string); !ok || !strings.Contains(header, "=") {
				strange++
			}
			return true
		})
		c.seen.Clear()
		fmt.Fprintln(w, n, strange)
		return
	}
	if c.on.Load() {
		c.seen.Store(strings.Join(r.Header["Cookie"], "; "), true)
	}
	c.next.ServeHTTP(w, r)
}
