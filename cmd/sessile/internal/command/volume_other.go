//go:build !linux

package command

import "errors"

// volume is not implemented on this system.
func volume(string) (free int64, kind string, err error) { return 0, "", errors.ErrUnsupported }
