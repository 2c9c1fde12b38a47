//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// plain are the flags with which a file that should be plain is opened: a link is not
// followed, and a pipe is not waited for.
const plain = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// keepOpen opens a file to read it now and then, nil if that fails.
func keepOpen(name string) *os.File {
	f, err := os.OpenFile(name, os.O_RDONLY|plain, 0)
	if err != nil {
		return nil
	}
	return f
}

// theirs says why a file may be somebody else's: it has another name, or an owner who
// is neither we, nor the administrator, nor the owner of the database. "" if it is not.
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
