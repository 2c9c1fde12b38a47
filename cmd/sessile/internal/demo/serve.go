package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile/admin"
	"github.com/sessile/sessile/cmd/sessile/internal/settings"
)

// Summary describes the command in usage texts.
const Summary = "Run a small web shop with guest carts, logins and devices"

// shutdownTimeout is how long running requests may take to finish.
const shutdownTimeout = 10 * time.Second

// Run runs "sessile demo". It serves until ctx ends, then lets requests finish. It returns nil only
// if the store could write everything. When it accepts connections, it prints one line to stdout,
// "listening on URL". Logs go to stderr.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	s, warnings, err := settings.Load(settings.Sources{
		Command: "sessile demo", Summary: Summary, Args: args, Environ: environ, Usage: stderr,
	})
	if err != nil {
		return err
	}
	log, err := newLogger(s.LogLevel, stderr)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		log.Warn(warning)
	}
	app, err := Open(ctx, s, log)
	if err != nil {
		return err
	}
	closeSocket := app.openSocket(ctx)
	err = app.serve(ctx, stdout)
	closeSocket()
	return errors.Join(err, app.Close())
}

// openSocket serves the admin API on a Unix socket for the other commands, until the function that it
// returns is called. A demo without the socket is better than none, so a failure is only logged.
func (a *App) openSocket(ctx context.Context) (closeSocket func()) {
	path := a.settings.AdminSocket()
	if path == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		o := admin.Options{Feed: a.feed, ReadOnly: a.settings.ReadOnlyAdmin, Logger: adminLog(a.log)}
		if err := admin.ListenUnix(ctx, path, a.store, o); err != nil {
			a.log.Warn("the other commands cannot reach this store", zap.Error(err))
		}
	}()
	return func() { cancel(); <-done }
}

// serve listens and serves until ctx ends. It joins the goroutine that it starts.
func (a *App) serve(ctx context.Context, stdout io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.settings.Addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", a.settings.Addr, err)
	}
	url := "http://" + listener.Addr().String()
	if a.settings.TLS {
		host, _, _ := net.SplitHostPort(a.settings.Addr) // validated with the settings
		config, err := selfSigned(host, a.store.Now())
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		listener, url = tls.NewListener(listener, config), "https://"+listener.Addr().String()
	}
	server, err := a.server()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "listening on %s\n", url)
	a.log.Info("open the URL in a browser", zap.String("url", url), zap.Strings("accounts", a.users.Names()), zap.String("password", Password))

	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	a.log.Info("shutting down", zap.Duration("at most", shutdownTimeout))
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(grace)
	if err != nil {
		err = errors.Join(fmt.Errorf("waiting for requests to end: %w", err), server.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// server bounds the time of everything that a client can delay.
func (a *App) server() (*http.Server, error) {
	// TLS and HTTP errors of clients are only debug messages.
	clientFaults, err := zap.NewStdLogAt(a.log.Named("http"), zap.DebugLevel)
	if err != nil {
		return nil, fmt.Errorf("creating the server's log: %w", err)
	}
	server := &http.Server{
		Handler:           a,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          clientFaults,
	}
	server.RegisterOnShutdown(a.EndStreams)
	return server, nil
}
