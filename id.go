package sessile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/oklog/ulid/v2"
)

// ID identifies a session for its whole life. It is a ULID: 16 bytes, 26 characters as text,
// ordered by creation time. It is not a credential, so it may be shown to its owner and logged.
type ID [16]byte

// ParseID parses the text form of an ID. Its error is [ErrInvalidID].
func ParseID(s string) (ID, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil {
		return ID{}, ErrInvalidID
	}
	return ID(u), nil
}

// newID returns the ID of a session that begins at now. The first two bytes of its entropy are the
// routing tag.
func newID(now time.Time, tag uint16, entropy io.Reader) (ID, error) {
	var e [10]byte
	binary.BigEndian.PutUint16(e[:], tag)
	if _, err := io.ReadFull(entropy, e[2:]); err != nil {
		return ID{}, fmt.Errorf("session id: reading entropy: %w", err)
	}
	u, err := ulid.New(ulid.Timestamp(now), bytes.NewReader(e[:]))
	if err != nil {
		return ID{}, fmt.Errorf("session id: %w", err)
	}
	return ID(u), nil
}

// String returns the text form, 26 characters.
func (id ID) String() string { return ulid.ULID(id).String() }

// IsZero reports whether id is the zero ID, which no session has.
func (id ID) IsZero() bool { return id == ID{} }

// Time returns when the session was created, with millisecond precision. It returns the zero time for
// the zero ID.
func (id ID) Time() time.Time {
	if id.IsZero() {
		return time.Time{}
	}
	return ulid.Time(ulid.ULID(id).Time()).UTC()
}

// Compare orders IDs by creation time.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText returns the text form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the text form. Its error is [ErrInvalidID].
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}
