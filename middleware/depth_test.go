package middleware_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// deepest is the allowed nesting depth of a value in the session's data.
const deepest = 9_999

func nested(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

// TestSetAcceptsOnlyADepthThatCanBeRead: Set accepts nothing that the next cold read would find
// corrupt.
func TestSetAcceptsOnlyADepthThatCanBeRead(t *testing.T) {
	for name, put := range map[string]func(ctx context.Context, h *middleware.Handle, depth int) error{
		"Set": func(_ context.Context, h *middleware.Handle, depth int) error { return h.Set("tree", nested(depth)) },
		"Update": func(ctx context.Context, h *middleware.Handle, depth int) error {
			return h.Update(ctx, new(sessile.Changes).Set("tree", nested(depth)))
		},
		"Set and carried over": func(ctx context.Context, h *middleware.Handle, depth int) error {
			if err := h.Set("tree", nested(depth)); err != nil {
				return err
			}
			return h.Authenticate(ctx, "alice")
		},
		"a login's data": func(ctx context.Context, h *middleware.Handle, depth int) error {
			return h.Login(ctx, middleware.Login{UserID: "alice", Data: map[string]any{"tree": nested(depth - 1)}})
		},
	} {
		for who, b := range map[string]func(f *fixture) *browser{
			"user": func(f *fixture) *browser { return f.login("alice") }, "guest": (*fixture).browser,
		} {
			if name == "Update" && who == "guest" {
				continue // no session yet
			}
			t.Run(name+" "+who, func(t *testing.T) {
				f := setUp(t, sessile.Config{CacheSize: 1}, middleware.Options{Guests: true, CarryOver: []string{"tree"}})
				b := b(f)
				b.do(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
					f.wantErr(put(r.Context(), h, deepest+1), sessile.ErrInvalidData)
					f.must(put(r.Context(), h, deepest))
					_, _, err := middleware.Get[any](h, "tree") // pending, or of the new session
					f.must(err)
				})
				f.must(f.store.Sync(t.Context()))
				f.coldToken("somebody") // takes the place in memory
				reads := f.store.Stats().ColdReads
				_, isList := valueOf[any](b, "tree").([]any)
				f.want(isList, true)
				f.want(f.store.Stats().ColdReads > reads, true)
			})
		}
	}
}

func TestGetKeepsNumbersExactWithoutAType(t *testing.T) { // pending, stored, popped
	const big int64 = 1<<60 + 1
	f := setUp(t, sessile.Config{}, middleware.Options{})
	b := f.login("alice")
	read := func(h *middleware.Handle) {
		t.Helper()
		n, _, err := middleware.Get[any](h, "n")
		f.must(err)
		f.want(n, any(json.Number("1152921504606846977")))
		m, _, err := middleware.Get[map[string]any](h, "m")
		f.must(err)
		f.want(m["n"], any(json.Number("1152921504606846977")))
		list, _, err := middleware.Get[[]any](h, "l")
		f.must(err)
		f.want(list[0], any(json.Number("1152921504606846977")))
		exact, _, err := middleware.Get[int64](h, "n")
		f.must(err)
		f.want(exact, big)
	}
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		f.must(h.Set("n", big))
		f.must(h.Set("m", map[string]any{"n": big}))
		f.must(h.Set("l", []any{big}))
		read(h)
	})
	b.do(func(_ http.ResponseWriter, _ *http.Request, h *middleware.Handle) {
		read(h)
		m, _, err := middleware.Pop[any](h, "m")
		f.must(err)
		f.must(h.Set("m", m)) // as exact as it was
	})
	f.want(string(b.session().Data().JSON()), `{"l":[1152921504606846977],"m":{"n":1152921504606846977},"n":1152921504606846977}`)
}
