package postgres

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// defaultConnectTimeout is that of a connection string without connect_timeout. pgx would take two minutes.
const defaultConnectTimeout = 5 * time.Second

// prepare sets what every connection needs.
func (s *settings) prepare() {
	given := strings.Contains(s.URL, "connect_timeout") || s.Pool != nil
	for _, c := range []*pgx.ConnConfig{s.pool.ConnConfig, s.feed} {
		switch {
		case s.ConnectTimeout > 0:
			c.ConnectTimeout = s.ConnectTimeout
		case !given || c.ConnectTimeout <= 0:
			c.ConnectTimeout = defaultConnectTimeout
		}
		if c.ValidateConnect == nil { // a standby would answer with what was true a while ago
			c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
		if c.RuntimeParams["application_name"] == "" {
			c.RuntimeParams["application_name"] = "sessile"
		}
		c.DefaultQueryExecMode = s.execMode()
		if c.StatementCacheCapacity <= 0 { // pgx would fail every query
			c.StatementCacheCapacity = statements
		}
	}
	noteUnreplicated(s.pool.ConnConfig)
	closeSoon(s.pool.ConnConfig)
	s.pool.MinConns, s.pool.MinIdleConns = 0, 0
	s.pool.PingTimeout = s.ApplyTimeout / 4 // a connection that hangs leaves time for another
}

// statements is how many prepared statements a connection keeps, if the configuration does not say: the default of pgx.
const statements = 512

// closing is how long pgx waits for the end of a connection that hangs. Its own limit is 15 s. Meanwhile the connection keeps its
// place in the pool, and Close waits.
const closing = time.Second

// soonClosed is a connection that shortens its deadlines. pgx sets one only when it closes a connection.
type soonClosed struct{ net.Conn }

// SetDeadline sets t, or the end of closing if that is earlier.
func (c soonClosed) SetDeadline(t time.Time) error {
	if most := time.Now().Add(closing); t.After(most) { //nolint:forbidigo // deadlines of connections are instants
		t = most
	}
	return c.Conn.SetDeadline(t)
}

func closeSoon(c *pgx.ConnConfig) {
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return soonClosed{conn}, nil
	}
}

// newPool opens a pool of up to n connections. It connects when it is used.
func (s *settings) newPool(ctx context.Context, n int) (*pgxpool.Pool, error) {
	c := s.pool.Copy()
	c.MaxConns = int32(n)
	if s.direct() {
		keepPlans(c)
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// connectFeed opens the connection that listens.
func (s *settings) connectFeed(ctx context.Context) (*pgx.Conn, error) {
	c := s.feed.Copy()
	if s.FeedURL == "" && s.pool.BeforeConnect != nil {
		if err := s.pool.BeforeConnect(ctx, c); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, c)
}

// unreplicated marks a connection whose COMMIT did not wait for its standby.
const unreplicated = "sessile: not replicated"

// noteUnreplicated marks a connection whose COMMIT was cancelled while it waited for a synchronous standby. The server answers
// such a COMMIT with a warning and with success, but a failover may lose the transaction.
func noteUnreplicated(c *pgx.ConnConfig) {
	next := c.OnNotice
	c.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.File == "syncrep.c" { // the message is in the server's language
			conn.CustomData()[unreplicated] = true
		}
		if next != nil {
			next(conn, n)
		}
	}
}

var errNotReplicated = errors.New("the server stopped waiting for its synchronous standby")

// replicated returns errNotReplicated if a COMMIT on conn did not wait for its standby.
func replicated(conn *pgx.Conn) error {
	data := conn.PgConn().CustomData()
	if data[unreplicated] == nil {
		return nil
	}
	delete(data, unreplicated)
	return errNotReplicated
}
