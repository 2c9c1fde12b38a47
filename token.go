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
	tokenSealed  = 1 + 2 + 32              // version, routing tag, randomness
	tokenBytes   = tokenSealed + sealBytes // and the seal
	tokenText    = 52                      // base64url without padding
	sealBytes    = 4
	redacted     = "****"
)

var base64url = base64.RawURLEncoding //nolint:gochecknoglobals // a constant in all but name

// Token is the secret that opens a session: 32 bytes of crypto/rand (OWASP ASVS
// 7.2.3 asks for 128 bits) between a version with a routing tag and a seal, by
// which a store knows without looking that it has made the token. Whoever has it
// is logged in. Every printed form is "****"; [Token.Reveal] is the one way out.
// At rest there is only its SHA-256. It is a value that nothing changes; two are
// compared with [Token.Equal], and == does not compile.
//
// It is a function because package fmt asks no method of a value in an unexported
// field, for %w and %p, and below a pointer for a verb like %s. There it prints
// bytes, follows pointers, and of a function tells the address of its code.
type Token struct{ raw func() rawToken }

// rawToken is what a token's text encodes. It is kept out of values that may be printed.
type rawToken [tokenBytes]byte

// ParseToken reads the text form of a token, 52 characters of base64url. Its
// error is [ErrInvalidToken] and does not contain the text.
func ParseToken(s string) (Token, error) {
	raw, ok := parseToken(s)
	if !ok {
		return Token{}, ErrInvalidToken
	}
	return tokenOf(raw), nil
}

// parseToken keeps everything on the stack, so that nonsense costs nothing.
func parseToken(s string) (raw rawToken, ok bool) {
	if len(s) != tokenText {
		return raw, false
	}
	var text [tokenText]byte
	copy(text[:], s)
	// The decoder skips line breaks: then there is too little left.
	n, err := base64url.Decode(raw[:], text[:])
	return raw, err == nil && n == tokenBytes && raw[0] == tokenVersion
}

// newToken makes a token of the store whose key it is. If there is not enough
// entropy it is an error, never a weaker token (S2, A5).
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

// bytes is what the text encodes; zeros for the zero Token.
func (t Token) bytes() rawToken {
	if t.raw == nil {
		return rawToken{}
	}
	return t.raw()
}

// Reveal returns the secret, for the cookie or the Authorization header.
func (t Token) Reveal() string {
	raw := t.bytes()
	return base64url.EncodeToString(raw[:])
}

// IsZero reports whether t is the zero Token, which opens nothing.
func (t Token) IsZero() bool { return t.raw == nil }

// Equal reports whether two tokens are the same, in a time that does not depend on them.
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

// sealedBy reports whether the store with this key has made the token. It is asked
// before the disk is, so that made-up tokens cost the disk nothing: of those whose
// seal is guessed one in 2^32 fits. What keeps a session is its token's randomness.
func (r *rawToken) sealedBy(key sealKey) bool {
	return subtle.ConstantTimeCompare(key.seal(r[:tokenSealed]), r[tokenSealed:]) == 1
}

// sealKey is made of the store's key, which has other uses too.
type sealKey []byte

func newSealKey(storeKey []byte) sealKey {
	m := hmac.New(sha256.New, storeKey)
	_, _ = io.WriteString(m, "sessile token seal") // a hash does not fail
	return m.Sum(nil)
}

func (k sealKey) seal(b []byte) []byte {
	m := hmac.New(sha256.New, k)
	m.Write(b)
	return m.Sum(nil)[:sealBytes]
}

// routingTag keeps a user's sessions together in a sharded backend.
func routingTag(storeKey []byte, userID string) uint16 {
	m := hmac.New(sha256.New, storeKey)
	m.Write([]byte(userID))
	return binary.BigEndian.Uint16(m.Sum(nil))
}

// randomTag is the routing tag of a session without a user.
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
