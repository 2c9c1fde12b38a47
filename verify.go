package sessile

import "context"

// Verify is [Store.ReadByToken] through the database, for the most sensitive requests. It refuses
// every session that any node ended before the call. It costs a read of the database. If no other
// node writes, memory knows as much, and Verify costs as much as ReadByToken.
func (s *Store) Verify(ctx context.Context, t Token) (Session, error) {
	if s.alone || t.IsZero() || s.closed.Load() {
		return s.ReadByToken(ctx, t)
	}
	raw := t.bytes()
	h := raw.hash()
	v, now, err := s.cold(ctx, &raw, h, s.clock.micros(), true)
	if err != nil {
		return Session{}, err
	}
	x, _, err := s.judge(ctx, v, h, now)
	return x, err
}
