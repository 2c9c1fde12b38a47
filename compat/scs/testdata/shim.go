// Package scs lets the tests of github.com/alexedwards/scs/v2 run against this repository's
// compat/scs, unchanged. Many of those tests look into scs's own state. This file shows them that
// state as the exported methods of our SessionManager report it. suite_test.go builds it together
// with scs's test files.
package scs

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/compat/scs"
	_ "github.com/sessile/sessile/persist/sqlite"
)

const (
	Unmodified = scs.Unmodified
	Modified   = scs.Modified
	Destroyed  = scs.Destroyed
)

type contextKey string

// Store and Codec have no counterpart. The tests that need one are on the list of suite_test.go.
type Store interface {
	Delete(token string) error
	Find(token string) ([]byte, bool, error)
	Commit(token string, b []byte, expiry time.Time) error
}

type noStore struct{}

func (noStore) Delete(string) error                    { return nil }
func (noStore) Find(string) ([]byte, bool, error)      { return nil, false, nil }
func (noStore) Commit(string, []byte, time.Time) error { return nil }

type codec struct{}

func (codec) Encode(_ time.Time, values map[string]any) ([]byte, error) { return json.Marshal(values) }

type SessionManager struct {
	*scs.SessionManager
	Store            Store
	Codec            codec
	HashTokenInStore bool
	contextKey       contextKey
}

var managers atomic.Int64

// New is the constructor: a manager over a store of its own.
func New() *SessionManager {
	n := strconv.FormatInt(managers.Add(1), 10)
	store, err := sessile.Open(context.Background(), sessile.Config{
		Path: filepath.Join(os.Getenv("SCS_SUITE_DIR"), strconv.Itoa(os.Getpid())+"-"+n+".db"),
	})
	if err != nil {
		panic(err)
	}
	return &SessionManager{SessionManager: scs.New(store, "userID"), Store: noStore{}, contextKey: contextKey("key" + n)}
}

type sessionData struct {
	deadline time.Time
	status   scs.Status
	token    string
	values   map[string]any
	mu       sync.Mutex
}

func newSessionData(lifetime time.Duration) *sessionData {
	return &sessionData{deadline: time.Now().Add(lifetime), values: make(map[string]any)}
}

// addSessionDataToContext adds a session of ours with the values of sd, and sd itself.
func (s *SessionManager) addSessionDataToContext(ctx context.Context, sd *sessionData) context.Context {
	ctx, err := s.SessionManager.Load(ctx, "")
	if err != nil {
		panic(err)
	}
	for key, v := range sd.values {
		s.SessionManager.Put(ctx, key, v)
	}
	return context.WithValue(ctx, s.contextKey, sd)
}

func (s *SessionManager) getSessionDataFromContext(ctx context.Context) { s.Status(ctx) }

// show copies the state of our session to what the test looks at.
func (s *SessionManager) show(ctx context.Context) {
	sd, ok := ctx.Value(s.contextKey).(*sessionData)
	if !ok {
		return
	}
	clear(sd.values)
	for _, key := range s.Keys(ctx) {
		sd.values[key] = s.Get(ctx, key)
	}
	sd.status, sd.token = s.Status(ctx), s.Token(ctx)
}

func (s *SessionManager) Load(ctx context.Context, token string) (context.Context, error) {
	if _, ok := ctx.Value(s.contextKey).(*sessionData); ok {
		return s.SessionManager.Load(ctx, token)
	}
	ctx, err := s.SessionManager.Load(ctx, token)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, s.contextKey, &sessionData{values: make(map[string]any)})
	s.show(ctx)
	return ctx, nil
}

// Commit also commits what a test put into a context itself.
func (s *SessionManager) Commit(ctx context.Context) (string, time.Time, error) {
	if sd, ok := ctx.Value(s.contextKey).(*sessionData); ok && ctx.Value(s.SessionManager) == nil {
		ctx = s.addSessionDataToContext(ctx, sd)
	}
	return s.SessionManager.Commit(ctx)
}

// What changes a session also shows its new state.

func (s *SessionManager) Destroy(ctx context.Context) error {
	defer s.show(ctx)
	return s.SessionManager.Destroy(ctx)
}

func (s *SessionManager) Clear(ctx context.Context) error {
	defer s.show(ctx)
	return s.SessionManager.Clear(ctx)
}

func (s *SessionManager) Put(ctx context.Context, key string, v any) {
	s.SessionManager.Put(ctx, key, v)
	s.show(ctx)
}

func (s *SessionManager) Remove(ctx context.Context, key string) {
	s.SessionManager.Remove(ctx, key)
	s.show(ctx)
}

func (s *SessionManager) Pop(ctx context.Context, key string) any {
	defer s.show(ctx)
	return s.SessionManager.Pop(ctx, key)
}

func (s *SessionManager) PopString(ctx context.Context, key string) string {
	defer s.show(ctx)
	return s.SessionManager.PopString(ctx, key)
}

func (s *SessionManager) PopBool(ctx context.Context, key string) bool {
	defer s.show(ctx)
	return s.SessionManager.PopBool(ctx, key)
}

func (s *SessionManager) PopInt(ctx context.Context, key string) int {
	defer s.show(ctx)
	return s.SessionManager.PopInt(ctx, key)
}

func (s *SessionManager) PopFloat(ctx context.Context, key string) float64 {
	defer s.show(ctx)
	return s.SessionManager.PopFloat(ctx, key)
}

func (s *SessionManager) PopBytes(ctx context.Context, key string) []byte {
	defer s.show(ctx)
	return s.SessionManager.PopBytes(ctx, key)
}

func (s *SessionManager) PopTime(ctx context.Context, key string) time.Time {
	defer s.show(ctx)
	return s.SessionManager.PopTime(ctx, key)
}
