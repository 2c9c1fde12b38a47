package persist

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of one [Reader].Search.
const (
	MaxPage      = 1000    // sessions in a page
	MaxPageBytes = 4 << 20 // data of a page; the session that reaches it ends the page
	MaxExamined  = 5000    // rows that one call looks at
)

// Query selects stored sessions. A filter that is empty selects every session.
type Query struct {
	User      UserKey // ID: the exact user ID; guests have none
	IPAddress string  // the exact address
	Device    string  // part of the user agent or of the device name; ASCII letters match in either case
	Before    int64   // only sessions with a smaller key, 0 = all
	Limit     int     // sessions in the page, 1 to MaxPage
}

// Page is one page of the sessions that a [Query] selects, in descending key order.
type Page struct {
	Records    []Record
	Unreadable int   // rows that could not be read and are missing from Records
	Next       int64 // the Before of the next page, 0 = this is the last one
}

// Check returns an [ErrInvalidQuery] if Before or Limit is out of range.
func (q *Query) Check() error {
	if q.Before < 0 {
		return fmt.Errorf("%w: it continues before key %d (smallest key: 1)", ErrInvalidQuery, q.Before)
	}
	if q.Limit < 1 || q.Limit > MaxPage {
		return fmt.Errorf("%w: a page of %d sessions (1 to %d)", ErrInvalidQuery, q.Limit, MaxPage)
	}
	return nil
}

// Storable reports whether a session can match the filters. Stored texts are valid UTF-8
// without NUL.
func (q *Query) Storable() bool {
	for _, s := range []string{q.User.ID, q.IPAddress, q.Device} {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return false
		}
	}
	return true
}

// Match reports whether a session matches the filters.
func (q *Query) Match(i *Identity) bool {
	return (q.User.ID == "" || q.User.ID == i.UserID) && (q.IPAddress == "" || q.IPAddress == i.IPAddress) &&
		(contains(i.UserAgent, q.Device) || contains(i.DeviceName, q.Device))
}

func contains(text, part string) bool { return strings.Contains(LowerASCII(text), LowerASCII(part)) }

// LowerASCII returns s with its ASCII letters in lower case, as databases compare them
// without regard to a locale.
func LowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
