package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sessile/sessile/persist/postgres/postgrestest"
)

// Cluster is two nodes of the demo over a PostgreSQL server of their own. Ctrl-C in a terminal reaches
// neither: Stop ends them in order.
type Cluster struct {
	Database *postgrestest.Server
	FeedOfB  *postgrestest.Proxy // between node B and the connection on which it listens
	A, B     *Process
	dir      string
}

// Build builds the command in dir and returns its path.
func Build(dir string) (string, error) {
	binary := filepath.Join(dir, "sessile")
	build := exec.Command("go", "build", "-o", binary, "github.com/sessile/sessile/cmd/sessile") //nolint:noctx // it ends
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building the command: %w", err)
	}
	return binary, nil
}

// Start starts the server and both nodes. args are flags of both.
func Start(binary string, args ...string) (*Cluster, error) {
	c := &Cluster{dir: filepath.Dir(binary)}
	if err := c.start(binary, args); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(binary string, args []string) (err error) {
	if c.Database, err = postgrestest.StartDetached("fsync=on"); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	if c.FeedOfB, err = postgrestest.NewProxy(c.Database.Addr()); err != nil {
		return fmt.Errorf("starting the proxy of a feed: %w", err)
	}
	node := func(name, feed string) (*Process, error) {
		p := NewProcess(binary, append([]string{"-node", name, "-trusted_proxies", "127.0.0.1", "-socket", c.Socket(name)}, args...)...)
		// Other users of the machine can read arguments, but not the environment.
		p.environ = []string{"SESSILE_DATABASE=" + c.Database.URL(), "SESSILE_DATABASE_FEED=" + feed}
		p.detached = true
		if err := p.Start(); err != nil {
			return p, fmt.Errorf("node %s: %w\n%s", name, err, p.Log())
		}
		return p, nil
	}
	if c.A, err = node("A", c.Database.URL()); err == nil {
		c.B, err = node("B", c.FeedOfB.URL())
	}
	return err
}

// Socket returns the path of the admin socket of a node, beside the command.
func (c *Cluster) Socket(node string) string { return filepath.Join(c.dir, "node"+node+".sock") }

// Balancer returns a handler that sends requests to both nodes in turn.
func (c *Cluster) Balancer() http.Handler {
	var addrs []string
	for _, p := range []*Process{c.A, c.B} {
		addrs = append(addrs, strings.TrimPrefix(p.URL(), "http://"))
	}
	return Balancer(addrs)
}

// Stop ends the nodes, and then the server. It removes the data.
func (c *Cluster) Stop() error {
	var all error
	for _, p := range []*Process{c.A, c.B} {
		if p != nil {
			all = errors.Join(all, p.Terminate())
			p.Kill()
		}
	}
	if c.FeedOfB != nil {
		c.FeedOfB.Close()
	}
	if c.Database != nil {
		c.Database.Stop()
	}
	return all
}
