//go:build unix

package control

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownedByUs returns ErrOtherOwner if a file belongs to another user. Whoever owns a socket could answer
// what they like, and files that root leaves beside a store keep the store's own user out.
func ownedByUs(info fs.FileInfo, path string) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(s.Uid) == os.Geteuid() {
		return nil
	}
	name := strconv.Itoa(int(s.Uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return fmt.Errorf("%s: %w: run the command as %s (sudo -u %s sessile …)", path, ErrOtherOwner, name, name)
}
