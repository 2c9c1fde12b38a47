// Nodes runs the demo on several machines, all of them this one: it starts a PostgreSQL server with a
// new data directory, two nodes of the demo, and a reverse proxy that sends requests to them in turn.
// Ctrl-C ends everything and removes the data.
//
//	go run ./nodes -addr 127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sessile/sessile/cmd/sessile/internal/cluster"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "loopback address of the reverse proxy; port 0 selects a free port")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "nodes:", err)
		os.Exit(1)
	}
}

// run starts everything, serves until ctx ends, and ends everything.
func run(ctx context.Context, addr string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", addr, err)
	}
	defer listener.Close()
	dir, err := os.MkdirTemp("", "sessile-nodes-")
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	binary, err := cluster.Build(dir)
	if err != nil {
		return err
	}
	c, err := cluster.Start(binary, flag.Args()...)
	if err != nil {
		return err
	}
	announce(c, "http://"+listener.Addr().String())
	err = serve(ctx, listener, c.Balancer())
	fmt.Println("stopping")
	return errors.Join(err, c.Stop())
}

// announce says what runs.
func announce(c *cluster.Cluster, url string) {
	fmt.Printf("open %s, or a node:\n", url)
	fmt.Printf("  node A  %s  process %d\n", c.A.URL(), c.A.PID())
	fmt.Printf("  node B  %s  process %d\n", c.B.URL(), c.B.PID())
	fmt.Printf("Ask node A with: sessile top --socket %s\n", c.Socket("A"))
	fmt.Printf("Ask the database with: SESSILE_DATABASE='%s' sessile list\n", c.Database.URL())
	fmt.Printf("PostgreSQL listens on %s. Log in as alice with the password sessile-demo. Ctrl-C stops everything.\n", c.Database.Addr())
}

// serve serves until ctx ends. It closes the connections at once: the nodes finish their requests.
func serve(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	end := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer end()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
