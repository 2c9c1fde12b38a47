// Package users holds the demo's accounts and checks their passwords with argon2id.
// The accounts live in memory and begin anew with each start, because they are
// there to show sessions, not to show accounts. It knows nothing of sessions or HTTP.
// A [Directory] is safe for concurrent use.
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

// Errors of a Directory, for errors.Is.
var (
	// ErrWrongPassword: there is no such user, or the password is not theirs. Which of the two is nobody's business.
	ErrWrongPassword = errors.New("name or password is wrong")
	// ErrWeakPassword: the new password is refused; the message says why.
	ErrWeakPassword = errors.New("password is too weak")
)

// The accepted length of a new password, in characters and bytes. NIST SP 800-63B
// asks for at least 8 and no rules about its characters; the upper bound keeps a
// request from buying more hashing than a long pass phrase needs.
const (
	minPassword = 8
	maxPassword = 256
)

// Directory is the list of accounts.
type Directory struct {
	mu       sync.RWMutex
	accounts map[string]account

	// dummy is verified when there is no such user, so that the answer for an
	// unknown name takes as long as the one for a known name.
	dummy hash
	// slots bounds how many hashes are computed at once: each takes memoryKiB of
	// memory, so an unbounded number of logins would be a way to exhaust it.
	slots chan struct{}
}

// account is one user's password, and how often it was changed.
type account struct {
	hash    hash
	version int
}

// Proof says that a user gave the password that the account had at that moment.
type Proof struct {
	ID      string
	version int
}

// New returns a directory with accounts of the given names, all with one password.
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

// Names lists the accounts in alphabetical order.
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

// Verify returns a proof if the password is the user's, and ErrWrongPassword
// otherwise. It waits for its turn as long as ctx allows. A password takes a while to
// check and may be changed meanwhile: ask [Directory.Holds] once the proof was used.
func (d *Directory) Verify(ctx context.Context, name, password string) (Proof, error) {
	id := canonical(name)
	d.mu.RLock()
	a, known := d.accounts[id]
	d.mu.RUnlock()
	if !known {
		a.hash = d.dummy
	}
	if len(password) > maxPassword {
		password = "" // it is nobody's, and is not worth hashing; the work is done all the same
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

// Holds returns ErrWrongPassword if the password was changed since the proof.
func (d *Directory) Holds(p Proof) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if a, known := d.accounts[p.ID]; !known || a.version != p.version {
		return ErrWrongPassword
	}
	return nil
}

// CheckPassword reports why a new password is refused: [ErrWeakPassword], or nil.
func CheckPassword(id, password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return fmt.Errorf("%w: it needs at least %d characters", ErrWeakPassword, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("%w: it must not be longer than %d bytes", ErrWeakPassword, maxPassword)
	case strings.EqualFold(password, id):
		return fmt.Errorf("%w: it is the user name", ErrWeakPassword)
	}
	return nil
}

// SetPassword replaces the password of an account. Whoever calls it must end the
// user's other sessions too: those who know the old password may own some of them.
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

// canonical is the form of a name that accounts are kept under.
func canonical(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
