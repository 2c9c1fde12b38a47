package sessile

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"

	"github.com/sessile/sessile/persist"
)

const (
	tokenVersion = 1
	tokenSealed  = 1 + 2 + 32              // version, routing tag, random bytes
	tokenBytes   = tokenSealed + sealBytes // plus the seal
	tokenText    = 52                      // base64url without padding
	sealBytes    = 4
	redacted     = "****"
)

var base64url = base64.RawURLEncoding //nolint:gochecknoglobals // a constant in all but name

// Token is the secret that opens a session. Whoever has it is logged in. It contains 32 bytes from
// crypto/rand (OWASP ASVS 7.2.3 asks for 128 bits), and a seal by which a store recognises its own
// tokens without a lookup. Only its SHA-256 is stored.
//
// Every printed form is "****". Only [Token.Reveal] returns the secret. A Token is immutable.
// Compare tokens with [Token.Equal]; == does not compile.
type Token struct {
	// A function hides the bytes from package fmt. In an unexported field, and below a pointer,
	// fmt calls no methods: it prints bytes and follows pointers, but of a function it prints only
	// the address.
	raw func() rawToken
}

// rawToken is the decoded text of a token. Values that may be printed must not contain it.
type rawToken [tokenBytes]byte

// ParseToken parses the text form of a token: 52 characters of base64url. Its error is
// [ErrInvalidToken] and does not contain the text.
func ParseToken(s string) (Token, error) {
	raw, ok := parseToken(s)
	if !ok {
		return Token{}, ErrInvalidToken
	}
	return tokenOf(raw), nil
}

// parseToken does not allocate, so that invalid text costs little.
func parseToken(s string) (raw rawToken, ok bool) {
	if len(s) != tokenText {
		return raw, false
	}
	var text [tokenText]byte
	copy(text[:], s)
	// The decoder skips line breaks; n is too small then.
	n, err := base64url.Decode(raw[:], text[:])
	return raw, err == nil && n == tokenBytes && raw[0] == tokenVersion
}

// newToken returns a token sealed with a store's key. If crypto/rand fails, it returns an error and
// never a weaker token (S2, A5).
func newToken(key sealKey, tag uint16, entropy io.Reader) (Token, error) {
	var raw rawToken
	raw[0] = tokenVersion
	binary.BigEndian.PutUint16(raw[1:], tag)
	if _, err := io.ReadFull(entropy, raw[3:tokenSealed]); err != nil {
		return Token{}, fmt.Errorf("session token: reading entropy: %w", err)
	}
	copy(raw[tokenSealed:], key.seal(raw[:tokenSealed]))
	return tokenOf(raw), nil
}

func tokenOf(raw rawToken) Token {
	return Token{func() rawToken { return raw }}
}

// bytes returns the decoded text, or zeros for the zero Token.
func (t Token) bytes() rawToken {
	if t.raw == nil {
		return rawToken{}
	}
	return t.raw()
}

// Reveal returns the secret as text, for the cookie or the Authorization header. It returns "" for
// the zero Token.
func (t Token) Reveal() string {
	if t.IsZero() {
		return ""
	}
	raw := t.bytes()
	return base64url.EncodeToString(raw[:])
}

// IsZero reports whether t is the zero Token, which opens nothing.
func (t Token) IsZero() bool { return t.raw == nil }

// Equal reports in constant time whether two tokens are the same.
func (t Token) Equal(other Token) bool {
	a, b := t.bytes(), other.bytes()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (t Token) hash() persist.Hash {
	raw := t.bytes()
	return raw.hash()
}

func (r *rawToken) hash() persist.Hash { return sha256.Sum256(r[:]) }

func (r *rawToken) tag() uint16 { return binary.BigEndian.Uint16(r[1:]) }

// sealedBy reports whether the store with this key made the token. The store checks this before it
// asks the disk, so forged tokens cost no I/O: a guessed seal is right once in 2^32. The seal is
// not what protects a session. Its random bytes are.
func (r *rawToken) sealedBy(key sealKey) bool {
	return subtle.ConstantTimeCompare(key.seal(r[:tokenSealed]), r[tokenSealed:]) == 1
}

// sealKey is derived from the store's key, which has other uses too.
type sealKey []byte

func newSealKey(storeKey []byte) sealKey {
	m := hmac.New(sha256.New, storeKey)
	_, _ = io.WriteString(m, "sessile token seal") // a hash never fails
	return m.Sum(nil)
}

// storeKeys are the secret keys of a store.
type storeKeys struct {
	store []byte
	seal  sealKey
}

// hideKeys returns the keys of a store in a function, as a Token hides its bytes.
func hideKeys(storeKey []byte) func() storeKeys {
	k := storeKeys{storeKey, newSealKey(storeKey)}
	return func() storeKeys { return k }
}

func (k sealKey) seal(b []byte) []byte {
	m := hmac.New(sha256.New, k)
	m.Write(b)
	return m.Sum(nil)[:sealBytes]
}

// routingTag keeps the sessions of a user together in a sharded backend.
func routingTag(storeKey []byte, userID string) uint16 {
	m := hmac.New(sha256.New, storeKey)
	m.Write([]byte(userID))
	return binary.BigEndian.Uint16(m.Sum(nil))
}

// randomTag returns the routing tag of a guest session.
func randomTag(entropy io.Reader) (uint16, error) {
	var b [2]byte
	if _, err := io.ReadFull(entropy, b[:]); err != nil {
		return 0, fmt.Errorf("routing tag: reading entropy: %w", err)
	}
	return binary.BigEndian.Uint16(b[:]), nil
}

// String hides the secret.
func (Token) String() string { return redacted }

// GoString hides the secret from %#v.
func (Token) GoString() string { return redacted }

// Format hides the secret from every verb.
func (Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText hides the secret from JSON, YAML and loggers.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the secret from slog.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }
