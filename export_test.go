package sessile

import (
	"io"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// WithClock sets the wall clock of a store under test.
func WithClock(c Config, now func() time.Time) Config { return WithClocks(c, now, nil) }

// WithClocks sets both clocks of a store under test. With WithClock alone, the monotonic clock
// stands still.
func WithClocks(c Config, wall func() time.Time, mono func() time.Duration) Config {
	bridge.SetClock(&c, wall, mono)
	return c
}

// WithEntropy sets the source of IDs and tokens of a store under test.
func WithEntropy(c Config, r io.Reader) Config { c.entropy = r; return c }

// The rest exposes internals of the value types to their tests.

// NewID makes an id.
func NewID(now time.Time, tag uint16, entropy io.Reader) (ID, error) { return newID(now, tag, entropy) }

// NewToken makes a token.
func NewToken(storeKey []byte, tag uint16, entropy io.Reader) (Token, error) {
	return newToken(newSealKey(storeKey), tag, entropy)
}

// SealKeyOf is the key that a store derives from its own.
func SealKeyOf(storeKey []byte) []byte { return newSealKey(storeKey) }

// MadeWith reports whether a token was made with a store's key.
func MadeWith(storeKey []byte, t Token) bool {
	raw := t.bytes()
	return raw.sealedBy(newSealKey(storeKey))
}

// HashOf is what is stored of a token.
func HashOf(t Token) persist.Hash { return t.hash() }

// TagOf is a token's routing tag.
func TagOf(t Token) uint16 {
	raw := t.bytes()
	return raw.tag()
}

// RawOf is a token's bytes.
func RawOf(t Token) []byte {
	raw := t.bytes()
	return raw[:]
}

// RoutingTag is the routing tag of a user.
func RoutingTag(storeKey []byte, userID string) uint16 { return routingTag(storeKey, userID) }

// RandomTag is the routing tag of a guest.
func RandomTag(entropy io.Reader) (uint16, error) { return randomTag(entropy) }

// StoredData is data as it comes from the disk, which nobody has looked at.
func StoredData(raw string) Data { return dataOf(object.FromStored([]byte(raw))) }

func dataOf(obj *object.Object) Data { return Data{&obj} }

// EncodeData encodes what a caller passes as data.
func EncodeData(v any, most int) (Data, error) {
	obj, err := encodeData(v, most)
	return dataOf(obj), err
}

// ListOf is what Update makes of changes.
func ListOf(c *Changes) ([]object.Change, error) { return c.list() }

// CleanMeta is what Create makes of a Meta.
func CleanMeta(m Meta) Meta { return m.clean() }

// DefaultsOf is a Config with its defaults filled in.
func DefaultsOf(c Config) Config { return c.withDefaults() }

// FaultsOf is what Open finds wrong with a Config.
func FaultsOf(c Config) error { return c.withDefaults().validate() }

// HasEntropy reports whether a Config has entropy.
func HasEntropy(c Config) bool { return c.entropy != nil }

// MaxLifetime is the longest lifetime that a session can have.
const MaxLifetime = maxLifetime

// SessionOf is the session that a store makes of a record and data.
func SessionOf(r persist.Record, d Data) Session {
	return Session{view: &actor.View{
		Identity: *r.Identity, Rotation: r.Rotation, Doc: d.object(),
		LastActive: r.LastActive, ExpiresAt: r.ExpiresAt, AuthAt: r.AuthAt,
	}}
}

// LoggerOf is where a store with a configuration logs.
func LoggerOf(c Config) *zap.Logger { return c.logger() }
