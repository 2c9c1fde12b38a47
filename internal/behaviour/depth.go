package behaviour

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sessile/sessile"
)

// maxDepth is how deep a session's data may be nested, its own object counted.
const maxDepth = 10_000

// NestedJSON returns arrays in each other, depth of them.
func NestedJSON(depth int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

// NestedValue returns the same as a Go value.
func NestedValue(depth int) (v any) {
	for range depth {
		v = []any{v}
	}
	return v
}

// DataOfAnyDepthThatIsAcceptedCanBeRead: the bound is the same for every call that takes data.
func DataOfAnyDepthThatIsAcceptedCanBeRead(f *Fixture) {
	f.Configure(func(cfg *sessile.Config) { cfg.TTL = 2 * time.Hour })
	for name, put := range entrances(f) {
		s, tok := f.Login("ann")
		for _, tooDeep := range []int{maxDepth + 1, maxDepth + 100} {
			err := put(s.ID(), tooDeep)
			f.WantErr(err, sessile.ErrInvalidData)
			if !strings.Contains(err.Error(), "nested too deep") && !strings.Contains(err.Error(), "cannot be encoded") {
				f.Errorf("%s of %d: %v", name, tooDeep, err)
			}
			f.Must(f.Current().Sync(f.Context()))
			if got := f.Alive(tok); got.Data().Len() != len("{}") {
				f.Errorf("%s of %d left %d bytes", name, tooDeep, got.Data().Len())
			}
		}
		if err := put(s.ID(), maxDepth); err != nil {
			f.Errorf("%s of %d: %v", name, maxDepth, err)
			continue
		}
		if !strings.HasPrefix(name, "Create") {
			f.readable(s)
		}
	}
}

// entrances are all the ways in which data gets into a session, each with a value so
// deep that the whole is depth deep.
func entrances(f *Fixture) map[string]func(id sessile.ID, depth int) error {
	ctx := f.Context()
	tree := func(depth int) any { return map[string]any{"tree": NestedJSON(depth - 1)} }
	made := func(depth int) any { return map[string]any{"tree": NestedValue(depth - 1)} }
	own := func(s sessile.Session, err error) error {
		if err == nil {
			f.readable(s)
		}
		return err
	}
	flush := func(id sessile.ID, data any) error {
		return f.Current().Flush(ctx, id, data, f.Clock.Now(), f.Clock.Now().Add(time.Hour))
	}
	return map[string]func(id sessile.ID, depth int) error{
		"Create": func(_ sessile.ID, depth int) error {
			s, _, err := f.Current().Create(ctx, sessile.Meta{}, "bob", tree(depth))
			return own(s, err)
		},
		"CreateWith": func(_ sessile.ID, depth int) error {
			s, _, err := f.Current().CreateWith(ctx, sessile.NewSession{Guest: true, Data: made(depth)})
			return own(s, err)
		},
		"Create of JSON": func(_ sessile.ID, depth int) error {
			s, _, err := f.Current().Create(ctx, sessile.Meta{}, "bob", json.RawMessage(`{"tree":`+string(NestedJSON(depth-1))+`}`))
			return own(s, err)
		},
		"Flush":       func(id sessile.ID, depth int) error { return flush(id, tree(depth)) },
		"Flush of Go": func(id sessile.ID, depth int) error { return flush(id, made(depth)) },
		"FlushDurable": func(id sessile.ID, depth int) error {
			return f.Current().FlushDurable(ctx, id, tree(depth), f.Clock.Now(), f.Clock.Now().Add(time.Hour))
		},
		"Update": func(id sessile.ID, depth int) error {
			_, err := f.Current().Update(ctx, id, new(sessile.Changes).Set("tree", NestedJSON(depth-1)))
			return err
		},
		"Update of Go": func(id sessile.ID, depth int) error {
			_, err := f.Current().Update(ctx, id, new(sessile.Changes).Set("tree", NestedValue(depth-1)))
			return err
		},
		"UpdateDurable": func(id sessile.ID, depth int) error {
			_, err := f.Current().UpdateDurable(ctx, id, new(sessile.Changes).Set("tree", NestedJSON(depth-1)))
			return err
		},
	}
}

// readable fails unless a session can be read and written again after a restart.
func (f *Fixture) readable(s sessile.Session) {
	f.Helper()
	f.Reopen()
	got, err := f.Current().Read(f.Context(), s.ID())
	f.Must(err)
	v, ok, err := sessile.Get[any](got, "tree")
	f.Must(err)
	if _, isList := v.([]any); !ok || !isList {
		f.Fatalf("tree is %T, %t", v, ok)
	}
	var whole map[string]any
	f.Must(got.Data().Decode(&whole))
	_, err = json.Marshal(got.Data())
	f.Must(err)
	f.Must(f.Current().Flush(f.Context(), s.ID(), got.Data(), f.Clock.Now(), f.Clock.Now().Add(time.Hour)))
	_, err = f.Current().Update(f.Context(), s.ID(), new(sessile.Changes).Set("n", 1))
	f.Must(err)
}
