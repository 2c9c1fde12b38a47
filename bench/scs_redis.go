package bench

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/alexedwards/scs/redisstore"
	"github.com/gomodule/redigo/redis"
)

// redisServer returns the path of redis-server, or "" if it is not installed.
func redisServer() string {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return ""
	}
	return program
}

// newSCSRedis is scs with its own redis-server on a Unix socket, which stores nothing on disk. It returns nil
// without redis-server.
func newSCSRedis(tb testing.TB, o options) client {
	tb.Helper()
	program := redisServer()
	if program == "" {
		return nil
	}
	dir := tb.TempDir()
	socket := filepath.Join(dir, "redis.sock")
	server := exec.CommandContext(tb.Context(), program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := server.Start(); err != nil {
		tb.Fatal(err)
	}
	pool := &redis.Pool{MaxIdle: 64, DialContext: nil, Dial: func() (redis.Conn, error) { return redis.Dial("unix", socket) }}
	tb.Cleanup(func() {
		_ = pool.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for range 500 {
		c := pool.Get()
		_, err := c.Do("PING")
		_ = c.Close()
		if err == nil {
			x := newSCS(redisstore.New(pool), o)
			x.load = func(all map[string][]byte, expiry time.Time) {
				if err := loadRedis(pool, all, expiry); err != nil {
					tb.Fatal(err)
				}
			}
			return x
		}
		<-time.After(10 * time.Millisecond)
	}
	tb.Fatal("redis-server does not answer")
	return nil
}

// loadRedis sets keys as the store does, without waiting for each answer.
func loadRedis(pool *redis.Pool, all map[string][]byte, expiry time.Time) error {
	c := pool.Get()
	defer c.Close()
	for token, data := range all {
		if err := c.Send("SET", "scs:session:"+token, data, "PXAT", expiry.UnixMilli()); err != nil {
			return err
		}
	}
	_, err := c.Do("PING") // Do receives the answers of all
	return err
}
