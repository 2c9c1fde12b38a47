package users

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// The cost of hashing one password, as the OWASP Password Storage Cheat Sheet recommends for
// argon2id: 19 MiB, two passes, one thread.
const (
	memoryKiB = 19 * 1024
	passes    = 2
	threads   = 1
	keyBytes  = 32
	saltBytes = 16
)

// hash is a hashed password. It is only in memory, so the parameters are not stored with it. An
// application that stores hashes must store them too.
type hash struct {
	salt [saltBytes]byte
	key  [keyBytes]byte
}

func newHash(password string) (hash, error) {
	var h hash
	if _, err := rand.Read(h.salt[:]); err != nil {
		return hash{}, fmt.Errorf("reading random bytes: %w", err)
	}
	copy(h.key[:], derive(password, h.salt))
	return h, nil
}

func (h hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(derive(password, h.salt), h.key[:]) == 1
}

func derive(password string, salt [saltBytes]byte) []byte {
	return argon2.IDKey([]byte(password), salt[:], passes, memoryKiB, threads, keyBytes)
}

// String keeps hashes out of logs and errors.
func (h hash) String() string { return "****" }
