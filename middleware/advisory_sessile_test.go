package middleware_test

import (
	"bytes"
	"fmt"
	"log"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/sessile/sessile/persist/persisttest"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	"github.com/sessile/sessile/persist/sqlite"
)

// ours is Sessile as a library.
type ours struct {
	*fixture
	setting
	log *lockedBuffer
}

func newOurs(t *testing.T, o setting) *ours {
	t.Helper()
	l := &ours{setting: o, log: new(lockedBuffer)}
	o.cfg.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "m"}), zapcore.AddSync(l.log), zap.DebugLevel))
	l.fixture = setUp(t, o.cfg, o.opts)
	if l.hears != nil {
		l.must(l.restart())
	}
	return l
}

func (l *ours) wrap(app func(*http.Request) string) http.Handler {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, app(r)) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.m.Handler(answer).ServeHTTP(w, r) })
}

func (l *ours) user(r *http.Request) string {
	user, _ := middleware.FromRequest(r).UserID()
	return user
}

func (l *ours) login(r *http.Request, user string) error {
	return l.note(middleware.FromRequest(r).Authenticate(r.Context(), user))
}

func (l *ours) logout(r *http.Request) error {
	return l.note(middleware.FromRequest(r).Logout(r.Context()))
}

func (l *ours) logoutOthers(r *http.Request) error {
	_, err := middleware.FromRequest(r).LogoutOthers(r.Context())
	return l.note(err)
}

func (l *ours) rotate(r *http.Request) error {
	return l.note(middleware.FromRequest(r).Rotate(r.Context()))
}

func (l *ours) get(r *http.Request, key string) string {
	v, _, err := middleware.Get[string](middleware.FromRequest(r), key)
	_ = l.note(err)
	return v
}

func (l *ours) set(r *http.Request, key, value string) error {
	if value == "" {
		return l.note(middleware.FromRequest(r).Delete(key))
	}
	return l.note(middleware.FromRequest(r).Set(key, value))
}

func (l *ours) devices(r *http.Request) (ids []string) {
	list, err := middleware.FromRequest(r).Devices(r.Context())
	_ = l.note(err)
	for _, d := range list {
		ids = append(ids, d.ID.String())
	}
	return ids
}

func (l *ours) revoke(r *http.Request, id string) error {
	parsed, err := sessile.ParseID(id)
	if err != nil {
		return l.note(err)
	}
	return l.note(middleware.FromRequest(r).Revoke(r.Context(), parsed))
}

func (l *ours) endAll(r *http.Request, user string) error {
	_, err := l.store.DestroyAllForUser(r.Context(), user)
	return l.note(err)
}

func (l *ours) address(r *http.Request) string { return l.m.ClientIP(r) }

// note writes an error to the log, as an application would.
func (l *ours) note(err error) error {
	if err != nil {
		log.New(l.log, "", 0).Printf("%v %+v %#v", err, err, err)
	}
	return err
}

func (l *ours) restart() error {
	cfg := l.store.Config()
	if l.hears != nil {
		cfg.Events = func(sessile.Event) { l.hears() }
	}
	if err := l.store.Close(); err != nil {
		return err
	}
	db, err := sqlite.Open(l.Context(), sqlite.Config{Path: cfg.Path})
	if err != nil {
		return err
	}
	l.disk.Backend = db
	if l.store, err = sessile.New(l.disk, cfg); err != nil {
		return err
	}
	l.m, err = middleware.New(l.store, l.opts)
	return err
}

func (l *ours) damage() {
	l.must(l.restart())
	l.hook(persisttest.Hooks{After: persisttest.On(persisttest.ByHash, func(c *persisttest.Call) { c.Record.Data = []byte(`{"user":`) })})
}

func (l *ours) rows() int {
	l.must(l.store.Sync(l.Context()))
	refs, _, err := l.disk.Expired(l.Context(), math.MaxInt64, 0, 1<<20)
	l.must(err)
	return len(refs)
}

func (l *ours) traces() []byte {
	l.must(l.store.Sync(l.Context()))
	var all bytes.Buffer
	files, err := filepath.Glob(l.store.Config().Path + "*")
	l.must(err)
	for _, name := range files {
		b, err := os.ReadFile(name)
		l.must(err)
		all.Write(b)
	}
	l.count("") // every event before has been told
	l.events.mu.Lock()
	defer l.events.mu.Unlock()
	fmt.Fprintf(&all, "%s\n%+v\n%#v", l.log, l.events.all, l.events.all)
	return all.Bytes()
}
