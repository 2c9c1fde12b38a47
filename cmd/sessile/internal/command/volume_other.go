//go:build !linux

package command

import "errors"

// volume returns errors.ErrUnsupported: this system does not tell. doctor then says "unknown".
func volume(string) (free int64, kind string, err error) { return 0, "", errors.ErrUnsupported }
