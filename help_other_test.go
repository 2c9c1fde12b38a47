//go:build !unix

package sessile_test

import (
	"errors"
	"os"
)

func umask(int) int { return 0 }

func flock(*os.File) error { return errors.ErrUnsupported }

func funlock(*os.File) error { return errors.ErrUnsupported }
