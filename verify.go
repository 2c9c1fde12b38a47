package sessile

import "context"

// Verify is [Store.ReadByToken] by way of the database, for the most sensitive requests: it
// refuses what any node has ended before the call. It costs a read of the database. Where no
// other node writes, memory knows as much, and Verify costs what ReadByToken costs.
func (s *Store) Verify(ctx context.Context, t Token) (Session, error) {
	if s.alone || t.IsZero() || s.closed.Load() {
		return s.ReadByToken(ctx, t)
	}
	raw := t.bytes()
	if _, err := s.find(ctx, raw, raw.hash(), true); err != nil {
		return Session{}, err
	}
	return s.ReadByToken(ctx, t) // of memory, which has what was just read or knows of something newer
}
