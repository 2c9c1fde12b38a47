package scs

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Put sets a key. The session is committed when the response begins, or by [SessionManager.Commit].
// A value whose type is not registered makes the commit fail.
func (s *SessionManager) Put(ctx context.Context, key string, val any) {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	d.put(key, val)
}

// Get returns the value of a key with the type that it was put with, or nil.
func (s *SessionManager) Get(ctx context.Context, key string) any {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	return d.values[key]
}

// Pop returns the value of a key and removes the key.
func (s *SessionManager) Pop(ctx context.Context, key string) any {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	val := d.values[key]
	d.remove(key)
	return val
}

// Remove removes a key. Removing a missing key changes nothing.
func (s *SessionManager) Remove(ctx context.Context, key string) {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	d.remove(key)
}

// Clear removes every key. Its error is always nil. Without the user's ID the session becomes a new
// one, with a new token.
func (s *SessionManager) Clear(ctx context.Context) error {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	for key := range d.values {
		d.remove(key)
	}
	return nil
}

// Exists reports whether the session has a key.
func (s *SessionManager) Exists(ctx context.Context, key string) bool {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	_, ok := d.values[key]
	return ok
}

// Keys returns the keys in sorted order.
func (s *SessionManager) Keys(ctx context.Context) []string {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	keys := slices.AppendSeq(make([]string, 0, len(d.values)), maps.Keys(d.values)) // not nil
	slices.Sort(keys)
	return keys
}

// as returns v if it is a T, and otherwise the zero value.
func as[T any](v any) T {
	t, _ := v.(T)
	return t
}

// GetString returns a key's value, or "" if it is not a string.
func (s *SessionManager) GetString(ctx context.Context, key string) string {
	return as[string](s.Get(ctx, key))
}

// GetBool returns a key's value, or false if it is not a bool.
func (s *SessionManager) GetBool(ctx context.Context, key string) bool {
	return as[bool](s.Get(ctx, key))
}

// GetInt returns a key's value, or 0 if it is not an int.
func (s *SessionManager) GetInt(ctx context.Context, key string) int { return as[int](s.Get(ctx, key)) }

// GetInt64 returns a key's value, or 0 if it is not an int64.
func (s *SessionManager) GetInt64(ctx context.Context, key string) int64 {
	return as[int64](s.Get(ctx, key))
}

// GetInt32 returns a key's value, or 0 if it is not an int32.
func (s *SessionManager) GetInt32(ctx context.Context, key string) int32 {
	return as[int32](s.Get(ctx, key))
}

// GetFloat returns a key's value, or 0 if it is not a float64.
func (s *SessionManager) GetFloat(ctx context.Context, key string) float64 {
	return as[float64](s.Get(ctx, key))
}

// GetBytes returns a key's value, or nil if it is not a []byte.
func (s *SessionManager) GetBytes(ctx context.Context, key string) []byte {
	return as[[]byte](s.Get(ctx, key))
}

// GetTime returns a key's value, or the zero time if it is not a time.Time.
func (s *SessionManager) GetTime(ctx context.Context, key string) time.Time {
	return as[time.Time](s.Get(ctx, key))
}

// PopString is GetString that removes the key.
func (s *SessionManager) PopString(ctx context.Context, key string) string {
	return as[string](s.Pop(ctx, key))
}

// PopBool is GetBool that removes the key.
func (s *SessionManager) PopBool(ctx context.Context, key string) bool {
	return as[bool](s.Pop(ctx, key))
}

// PopInt is GetInt that removes the key.
func (s *SessionManager) PopInt(ctx context.Context, key string) int { return as[int](s.Pop(ctx, key)) }

// PopFloat is GetFloat that removes the key.
func (s *SessionManager) PopFloat(ctx context.Context, key string) float64 {
	return as[float64](s.Pop(ctx, key))
}

// PopBytes is GetBytes that removes the key.
func (s *SessionManager) PopBytes(ctx context.Context, key string) []byte {
	return as[[]byte](s.Pop(ctx, key))
}

// PopTime is GetTime that removes the key.
func (s *SessionManager) PopTime(ctx context.Context, key string) time.Time {
	return as[time.Time](s.Pop(ctx, key))
}
