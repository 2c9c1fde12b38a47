package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sessile/sessile"
)

// socketGrace is how long requests on a socket may take to finish when it is closed.
const socketGrace = 5 * time.Second

// SocketPath returns where the command sessile looks for the socket of the store with that file.
func SocketPath(file string) string { return file + ".sock" }

// ListenUnix serves the store's API and dashboard on a Unix socket at path until ctx ends. Then it
// lets requests finish, removes the socket and returns nil. Options.Prefix is usually "", and
// Options.Closing is not used.
//
// The socket has mode 0600: only processes of the same user, and root, can open it. The directory
// must belong to that user too, because whoever can write it can replace the socket. Beside the
// socket ListenUnix locks the file path.lock while it serves.
//
// ListenUnix returns an error, and changes nothing, if path exists and is not a socket that a process
// of this user left behind, or if another process serves it. It returns errors.ErrUnsupported on
// systems without file locks, such as Windows.
func ListenUnix(ctx context.Context, path string, store *sessile.Store, o Options) error {
	o.Closing, o.AnyBackupPath = ctx.Done(), true
	o = o.withDefaults()
	handler, err := newHandler(store, o, true)
	if err != nil {
		return err
	}
	s, err := claim(ctx, path)
	if err != nil {
		return fmt.Errorf("opening the admin socket %s: %w", path, err)
	}
	o.Logger.Info("admin socket opened", "path", path)
	if err := errors.Join(serve(ctx, s, handler, o.Logger), s.release()); err != nil {
		return fmt.Errorf("serving the admin socket %s: %w", path, err)
	}
	return nil
}

// serve serves until ctx ends. It joins the goroutine that it starts.
func serve(ctx context.Context, l net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // faults of clients
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), socketGrace)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		err = errors.Join(fmt.Errorf("waiting for requests to end: %w", err), server.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
