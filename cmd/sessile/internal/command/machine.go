package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
)

// onUnix reports whether the modes of files mean something.
const onUnix = runtime.GOOS != "windows"

func directory(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return filepath.Dir(path)
}

// checkSpace makes sure that a backup and a restore fit on the disk.
func checkSpace(path string, file int64) finding {
	free, _, err := volume(directory(path))
	if errors.Is(err, errors.ErrUnsupported) {
		return finding{"disk space", stateOK, "unknown on this system"}
	}
	if err != nil {
		return finding{"disk space", stateWarning, err.Error()}
	}
	const least = 64 << 20 // the write-ahead log
	switch {
	case free < least:
		return finding{"disk space", stateFailure, fmt.Sprintf("%s are free: logins fail when the disk is full", size(free))}
	case free < least+2*file:
		return finding{"disk space", stateWarning, fmt.Sprintf("%s are free: a backup or a restore of %s may not fit", size(free), size(file))}
	}
	return finding{"disk space", stateOK, size(free) + " are free"}
}

func checkFileSystem(path string) finding {
	_, kind, err := volume(directory(path))
	if err != nil {
		return finding{"file system", stateOK, "unknown on this system"}
	}
	switch kind {
	case "nfs", "cifs", "smb2", "9p", "fuse", "ceph", "afs":
		return finding{"file system", stateWarning, kind + ": it may promise neither locks nor fsync, so a power cut or a second store can damage the file"}
	case "tmpfs", "ramfs":
		return finding{"file system", stateWarning, kind + ": it is in memory, so a restart of the machine loses every session"}
	}
	return finding{"file system", stateOK, kind}
}
