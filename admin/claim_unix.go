//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// maxSocketPath is the longest path that every system accepts for a socket, in bytes.
const maxSocketPath = 103

// socket is a Unix socket that this process owns.
type socket struct {
	net.Listener
	path string
	info fs.FileInfo // of the socket
	lock *os.File
}

// claim opens a socket at path. The lock beside it decides who may remove a socket that nobody serves:
//
//  1. A and B find the same abandoned socket.
//  2. A removes it and opens its own.
//  3. B removes the socket of A.
//
// Only the holder of the lock looks at the socket, so step 3 does not happen.
func claim(ctx context.Context, path string) (*socket, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path is too long: %d bytes (limit %d)", len(path), maxSocketPath)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &socket{path: path, lock: lock}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	return s, nil
}

func (s *socket) open(ctx context.Context) error {
	if err := removeAbandoned(ctx, s.path); err != nil {
		return err
	}
	// Linux gives the file of the socket the mode that the socket has before, so that there is no moment
	// at which others can open it. Other systems refuse that, and chmod follows.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}}
	l, err := private.Listen(ctx, "unix", s.path)
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path may be another file by then
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	if s.info, err = os.Lstat(s.path); err != nil {
		return errors.Join(err, l.Close())
	}
	s.Listener = l
	return nil
}

// release removes the socket, unless the path is another file by now, and the lock.
func (s *socket) release() error {
	var err error
	if now, failed := os.Lstat(s.path); failed == nil && os.SameFile(now, s.info) {
		err = os.Remove(s.path)
	}
	return errors.Join(err, s.unlock())
}

func (s *socket) unlock() error {
	return errors.Join(os.Remove(s.lock.Name()), s.lock.Close())
}

// removeAbandoned removes a socket of this user that no process serves. Anything else stays, and is
// an error.
func removeAbandoned(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%w and is not a socket", fs.ErrExist)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%w and belongs to another user", fs.ErrExist)
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(errors.New("another process serves it"), c.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// takeLock creates and locks a file. The kernel releases the lock when the process ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another process serves it")
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	// The last holder removes the file. If it did so after we opened it, ours is not the one that the
	// next process opens.
	own, err := f.Stat()
	if err == nil {
		var now fs.FileInfo
		if now, err = os.Lstat(path); err == nil && !os.SameFile(own, now) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("another process has just closed it: %w", err)
	}
	return f, nil
}
