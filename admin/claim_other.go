//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package admin

import (
	"context"
	"errors"
	"net"
)

type socket struct{ net.Listener }

func claim(context.Context, string) (*socket, error) { return nil, errors.ErrUnsupported }

func (*socket) release() error { return nil }
