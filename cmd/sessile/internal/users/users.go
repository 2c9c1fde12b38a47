// Package users holds the demo's accounts and checks their passwords with argon2id. The accounts
// are only in memory and start afresh with the process, because the demo is about sessions, not
// accounts. The package knows nothing of sessions or HTTP. A [Directory] is safe for concurrent use.
package users

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Errors of a Directory. Test for them with errors.Is.
var (
	// ErrWrongPassword means that the user does not exist or that the password is wrong. It does
	// not reveal which.
	ErrWrongPassword = errors.New("wrong name or password")
	// ErrWeakPassword means that the new password is refused. The message says why.
	ErrWeakPassword = errors.New("password is too weak")
)

// The accepted length of a new password, in characters and in bytes. NIST SP 800-63B requires at
// least 8 characters and no rules about which ones. The upper bound limits the hashing work that
// one request can cause.
const (
	minPassword = 8
	maxPassword = 256
)

// Directory is the list of accounts.
type Directory struct {
	mu       sync.RWMutex
	accounts map[string]account

	// dummy is verified if the user does not exist, so that the response takes as long as for an
	// existing user.
	dummy hash
	// slots bounds the number of concurrent hashes. Each one takes memoryKiB of memory, so
	// unbounded logins could exhaust it.
	slots chan struct{}
}

// account is the password of one user, and how often it was changed.
type account struct {
	hash    hash
	version int
}

// Proof proves that a user gave the password that the account had at that moment.
type Proof struct {
	ID      string
	version int
}

// New returns a directory of accounts with the given names, all with the same password.
func New(names []string, password string) (*Directory, error) {
	d := &Directory{
		accounts: make(map[string]account, len(names)),
		slots:    make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
	}
	for _, name := range append([]string{""}, names...) {
		h, err := newHash(password)
		if err != nil {
			return nil, fmt.Errorf("creating account %q: %w", name, err)
		}
		if name == "" {
			d.dummy = h
			continue
		}
		d.accounts[canonical(name)] = account{hash: h}
	}
	return d, nil
}

// Names returns the account names in alphabetical order.
func (d *Directory) Names() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var names []string
	for name := range d.accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Verify returns a proof if the password is correct, and ErrWrongPassword otherwise. It waits for a
// free slot until ctx ends. The password may change while it is being checked, so call
// [Directory.Holds] after using the proof.
func (d *Directory) Verify(ctx context.Context, name, password string) (Proof, error) {
	id := canonical(name)
	d.mu.RLock()
	a, known := d.accounts[id]
	d.mu.RUnlock()
	if !known {
		a.hash = d.dummy
	}
	if len(password) > maxPassword {
		password = "" // too long to be a password; hash anyway, for equal timing
	}
	if err := d.enter(ctx); err != nil {
		return Proof{}, err
	}
	defer d.leave()
	if ok := a.hash.matches(password); !ok || !known {
		return Proof{}, ErrWrongPassword
	}
	return Proof{ID: id, version: a.version}, nil
}

// Holds returns ErrWrongPassword if the password was changed after the proof.
func (d *Directory) Holds(p Proof) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a, known := d.accounts[p.ID]; !known || a.version != p.version {
		return ErrWrongPassword
	}
	return nil
}

// CheckPassword returns [ErrWeakPassword] with a reason, or nil if the password is acceptable.
func CheckPassword(id, password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return fmt.Errorf("%w: it must have at least %d characters", ErrWeakPassword, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("%w: it must have at most %d bytes", ErrWeakPassword, maxPassword)
	case strings.EqualFold(password, id):
		return fmt.Errorf("%w: it is the user name", ErrWeakPassword)
	}
	return nil
}

// SetPassword replaces the password of an account. The caller must also end the user's other
// sessions: somebody who knew the old password may own one of them.
func (d *Directory) SetPassword(ctx context.Context, id, password string) error {
	if err := CheckPassword(id, password); err != nil {
		return err
	}
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.leave()
	h, err := newHash(password)
	if err != nil {
		return fmt.Errorf("hashing the new password: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accounts[id] = account{hash: h, version: d.accounts[id].version + 1}
	return nil
}

func (d *Directory) enter(ctx context.Context) error {
	select {
	case d.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to check a password: %w", context.Cause(ctx))
	}
}

func (d *Directory) leave() { <-d.slots }

// canonical returns the form of a name under which accounts are stored.
func canonical(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
