package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// writers is how many requests of one session each set their own key concurrently.
const writers = 16

// TestParallelWriters counts the keys that survive. Sessile must keep all. For the rival the number is only
// reported.
func TestParallelWriters(t *testing.T) {
	for name, together := range map[string]bool{"as they come": false, "all read before one writes": true} {
		t.Run(name, func(t *testing.T) {
			c := newSessile(t, options{})
			own, rival := keysKept(t, c, together), keysKept(t, newSCSMemory(t, options{}), together)
			t.Logf("of %d keys Sessile keeps %d, alexedwards/scs keeps %d", writers, own, rival)
			if own != writers {
				t.Errorf("Sessile keeps %d keys of %d", own, writers)
			}
		})
	}
}

// crowd is an application in which each handler waits for the others.
type crowd struct {
	c        client
	ready    sync.WaitGroup
	together bool
}

func (a *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, key := r.Context(), r.URL.Query().Get("key")
	var err error
	switch r.URL.Path {
	case "/login":
		err = a.c.Login(ctx, "alice")
	case "/get":
		fmt.Fprint(w, a.c.Get(ctx, key))
		return
	case "/set":
		if a.ready.Done(); a.together {
			a.ready.Wait()
		}
		err = a.c.Set(ctx, key, "1")
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// keysKept lets the requests of one session write concurrently, over real connections, and counts the keys.
func keysKept(t *testing.T, c client, together bool) (n int) {
	t.Helper()
	app := &crowd{c: c, together: together}
	app.ready.Add(writers)
	server := httptest.NewServer(c.Wrap(app))
	defer server.Close()
	ask := func(path, cookie string) *http.Response {
		r, err := http.NewRequest(http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Error(err)
			return new(http.Response)
		}
		r.Header.Set("Cookie", c.CookieName()+"="+cookie)
		resp, err := server.Client().Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", path, resp, err)
			return new(http.Response)
		}
		_ = resp.Body.Close()
		return resp
	}
	var cookie string
	for _, k := range ask("/login", "").Cookies() {
		cookie = k.Value
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { ask(fmt.Sprint("/set?key=k", i), cookie) })
	}
	wg.Wait()
	for i := range writers {
		if ask(fmt.Sprint("/get?key=k", i), cookie).ContentLength == 1 {
			n++
		}
	}
	return n
}
