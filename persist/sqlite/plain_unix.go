//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// plain are the flags for opening a file that should be regular: they do not follow a link
// and do not block on a pipe.
const plain = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// keepOpen opens a file for occasional reads. It returns nil if that fails.
func keepOpen(name string) *os.File {
	f, err := os.OpenFile(name, os.O_RDONLY|plain, 0)
	if err != nil {
		return nil
	}
	return f
}

// theirs says why a file may belong to somebody else: it has a second name, or its owner is
// neither this user, nor root, nor the owner of the database. Otherwise it returns "".
func theirs(info, db os.FileInfo) string {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	if s.Nlink > 1 {
		return "it has a second name"
	}
	if uid := int(s.Uid); uid != 0 && uid != os.Geteuid() {
		if d, ok := sys(db); !ok || d.Uid != s.Uid {
			return "it belongs to somebody else"
		}
	}
	return ""
}

func sys(info os.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return s, ok
}
