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
	if _, err := s.find(ctx, raw, raw.hash(), true); err != nil {
		return Session{}, err
	}
	return s.ReadByToken(ctx, t) // memory has what was just read, or something newer
}
