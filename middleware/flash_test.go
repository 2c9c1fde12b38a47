package middleware_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestFlashIsShownOnceInOrder(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	take := func() string {
		var texts []string
		b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
			all, err := h.Flashes()
			f.must(err)
			for _, m := range all {
				texts = append(texts, m.Kind+":"+m.Text)
			}
		})
		return strings.Join(texts, " ")
	}
	f.want(take(), "")
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.AddFlash("ok", "one"))
		f.must(h.AddFlash("bad", "two"))
		f.wantErr(h.AddFlash("bad", "\xff"), sessile.ErrInvalidData)
	})
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.AddFlash("ok", "three")) })
	f.want(take(), "ok:one bad:two ok:three")
	f.want(take(), "")

	// Added and taken in one request, next to a value that is not a message.
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set(middleware.FlashKey+".x", 5))
		f.must(h.AddFlash("ok", "now"))
		all, err := h.Flashes()
		f.must(err)
		if len(all) != 1 || all[0].Text != "now" {
			t.Errorf("took %v", all)
		}
	})
	f.want(take(), "")
	f.want(len(b.session().Data().Keys()), 0)
}

func TestFlashOfParallelRequestsIsKept(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			b.serve(b.request(), func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) { f.must(h.AddFlash("", "m")) })
		})
	}
	wg.Wait()
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		all, err := h.Flashes()
		f.must(err)
		f.want(len(all), 16)
	})
}
