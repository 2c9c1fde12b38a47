package sessile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/sessile/sessile/persist"
)

// Limits of a [Query].
const (
	defaultPage = 100
	maxPage     = persist.MaxPage
)

// Query selects sessions for [Store.Search]. A filter that is empty selects every session.
type Query struct {
	UserID    string // the exact user ID
	IPAddress string // the exact address
	Device    string // part of the User-Agent or of the device name; ASCII letters match in either case

	After string // Page.Next of the page before, "" for the first page
	Limit int    // most sessions in the page; 0 means 100; more than 1,000 counts as 1,000
}

// Page is one page of the sessions that a [Query] selects.
type Page struct {
	Sessions []Session // the newest first
	Next     string    // Query.After of the next page, "" if this is the last one
}

// Search returns a page of the active sessions that q selects, the newest first. Only an empty
// Page.Next says that no page follows: a page can be short, or empty, although others follow.
// Each call looks at about 20,000 stored sessions at most, so it takes tens of milliseconds
// however many are stored. One Search of a Store runs at a time; others wait.
//
// A session that was destroyed before the call is not in the page, and times include accesses that
// are not on disk yet. Search is not an access, and loads no session into memory. It delays no
// commit. A walk over all pages lists every session that is stored from its first call to its last,
// once, and none that began after its first call.
//
// Rows that cannot be read are left out, counted in Stats.Unreadable and logged. A filter that is
// longer than a stored value can be, or a Query.After that this store did not return for the same
// filters, is an [ErrInvalidQuery]. Other errors: those of [Store.ReadByToken] that say nothing
// about a session.
func (s *Store) Search(ctx context.Context, q Query) (Page, error) {
	if s.closed.Load() {
		return Page{}, ErrClosed
	}
	before, err := s.checkQuery(&q)
	if err != nil {
		return Page{}, fmt.Errorf("searching sessions: %w", err)
	}
	found, err := s.actor.Search(ctx, persist.Query{
		User: s.userKey(q.UserID), IPAddress: q.IPAddress, Device: q.Device, Before: before, Limit: q.Limit,
	})
	if err != nil {
		return Page{}, fmt.Errorf("searching sessions: %w", err)
	}
	if found.Unreadable > 0 {
		s.log.Warn("unreadable sessions were left out of a search", zap.Int("count", found.Unreadable))
	}
	p := Page{Sessions: make([]Session, len(found.Views))}
	for i, v := range found.Views {
		p.Sessions[i] = Session{view: v}
	}
	if found.Next != 0 {
		p.Next = s.cursor(q, found.Next)
	}
	return p, nil
}

// Count returns how many sessions are stored. That includes expired sessions that are not deleted
// yet. A SQLite file counts exactly, in about 10 ms for a million sessions. PostgreSQL counts
// exactly up to 100,000, and returns an estimate beyond. Errors: those of [Store.Search].
func (s *Store) Count(ctx context.Context) (int, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	n, err := s.actor.Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("counting sessions: %w", err)
	}
	return n, nil
}

// checkQuery fills in the limit of q and returns the key before which it continues.
func (s *Store) checkQuery(q *Query) (before int64, err error) {
	for _, f := range []struct {
		name, text string
		most       int
	}{{"user ID", q.UserID, maxUserID}, {"IP address", q.IPAddress, maxIP}, {"device", q.Device, maxUserAgent}} {
		switch {
		case len(f.text) > f.most:
			return 0, fmt.Errorf("%w: %s too long: %d bytes (limit %d)", ErrInvalidQuery, f.name, len(f.text), f.most)
		case !utf8.ValidString(f.text) || strings.IndexByte(f.text, 0) >= 0:
			return 0, fmt.Errorf("%w: %s is not UTF-8 without NUL", ErrInvalidQuery, f.name)
		}
	}
	switch {
	case q.Limit < 0:
		return 0, fmt.Errorf("%w: negative limit: %d", ErrInvalidQuery, q.Limit)
	case q.Limit == 0:
		q.Limit = defaultPage
	}
	q.Limit = min(q.Limit, maxPage)
	return s.openCursor(*q)
}

const cursorSeal = 8 // bytes

// cursor returns the text of a key, sealed for this store and the filters of q. The seal finds
// mistakes. What a caller may see does not depend on it.
func (s *Store) cursor(q Query, key int64) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(key))
	m := hmac.New(sha256.New, s.keys().store)
	for _, part := range []string{"sessile search cursor", string(raw), q.UserID, q.IPAddress, q.Device} {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		m.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, m.Sum(nil)[:cursorSeal]...))
}

// openCursor returns the key in Query.After, 0 if it is empty.
func (s *Store) openCursor(q Query) (int64, error) {
	if q.After == "" {
		return 0, nil
	}
	raw := make([]byte, 8+cursorSeal)
	if len(q.After) == base64.RawURLEncoding.EncodedLen(len(raw)) {
		if _, err := base64.RawURLEncoding.Decode(raw, []byte(q.After)); err == nil {
			key := int64(binary.BigEndian.Uint64(raw))
			if hmac.Equal([]byte(q.After), []byte(s.cursor(q, key))) {
				return key, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: the cursor is not of this store and these filters", ErrInvalidQuery)
}
