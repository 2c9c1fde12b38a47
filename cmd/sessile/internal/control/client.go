package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrNotFound means that a session does not exist.
var ErrNotFound = errors.New("the session does not exist")

// maxAnswer limits what is read of an answer, in bytes. A page has at most 1,000 sessions of a few KB.
const maxAnswer = 32 << 20

// Client calls the admin API of one store. Close it in the end.
type Client struct {
	Socket string // the socket of the store that runs; "" if the store is open in this process
	http   *http.Client
	close  func() error
}

// Running reports whether the store runs in another process.
func (c *Client) Running() bool { return c.Socket != "" }

// Close disconnects. If the store is open in this process, Close writes everything and closes it.
func (c *Client) Close() error { return c.close() }

// Filter selects sessions.
type Filter struct{ User, IP, Device string }

const (
	pageSize   = 100 // sessions that a request asks for: a few milliseconds of the store
	restFactor = 2   // pause after a page, in times of what the store took for it
)

// List returns the sessions that the filter selects, the newest first. Each session is the JSON that the
// API has sent. [Client.Pages] needs no memory for all of them.
func (c *Client) List(ctx context.Context, f Filter, limit int) (all []json.RawMessage, err error) {
	_, err = c.Pages(ctx, f, limit, func(page []json.RawMessage) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// Pages passes the sessions that the filter selects to do, the newest first, one page at a time. It
// reports whether there are more than limit. A limit of 0 means all.
func (c *Client) Pages(ctx context.Context, f Filter, limit int, do func([]json.RawMessage) error) (more bool, err error) {
	seen := 0
	for after := ""; ; {
		want := pageSize
		if limit > 0 {
			want = min(want, limit-seen)
		}
		var page struct {
			Sessions []json.RawMessage `json:"sessions"`
			Next     string            `json:"next"`
		}
		began := time.Now()
		if err := c.get(ctx, "sessions?"+f.query(want, after), &page); err != nil {
			return false, err
		}
		took := time.Since(began)
		if err := do(page.Sessions); err != nil {
			return false, err
		}
		seen += len(page.Sessions)
		after = page.Next
		if after == "" || limit > 0 && seen >= limit {
			return after != "", nil
		}
		if err := c.rest(ctx, took); err != nil {
			return false, err
		}
	}
}

// rest pauses between two pages of a store that runs, so that a long list leaves time for its clients.
func (c *Client) rest(ctx context.Context, took time.Duration) error {
	if !c.Running() {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(restFactor * took):
		return nil
	}
}

// query returns the parameters of a request for a page.
func (f Filter) query(limit int, after string) string {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	for name, value := range map[string]string{"user": f.User, "ip": f.IP, "device": f.Device, "after": after} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q.Encode()
}

// Show returns the JSON of one session. The error is ErrNotFound if it does not exist.
func (c *Client) Show(ctx context.Context, id string) (raw json.RawMessage, err error) {
	err = c.get(ctx, "sessions/"+url.PathEscape(id), &raw)
	return raw, err
}

// Stats returns the JSON of the counters and the health.
func (c *Client) Stats(ctx context.Context) (raw json.RawMessage, err error) {
	err = c.get(ctx, "stats", &raw)
	return raw, err
}

// Outcome is what a change did.
type Outcome struct {
	Action string `json:"action"`
	Count  int    `json:"count"`
	File   string `json:"file,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// Revoke ends a session. The count is 0 if there was none.
func (c *Client) Revoke(ctx context.Context, id string) (Outcome, error) {
	return c.change(ctx, "sessions/"+url.PathEscape(id)+"/revoke", nil)
}

// RevokeUser ends all sessions of a user but the session except, which may be "".
func (c *Client) RevokeUser(ctx context.Context, user, except string) (Outcome, error) {
	path := "users/" + strings.ReplaceAll(url.PathEscape(user), ".", "%2E") + "/revoke" // a server takes . and .. for directories
	if except != "" {
		path += "?" + url.Values{"except": {except}}.Encode()
	}
	return c.change(ctx, path, nil)
}

// RevokeAll ends every session.
func (c *Client) RevokeAll(ctx context.Context) (Outcome, error) {
	return c.change(ctx, "revoke-all", nil)
}

// Cleanup deletes expired sessions.
func (c *Client) Cleanup(ctx context.Context) (Outcome, error) { return c.change(ctx, "cleanup", nil) }

// Backup has the store write a backup to an absolute path, which must not exist.
func (c *Client) Backup(ctx context.Context, path string) (Outcome, error) {
	return c.change(ctx, "backup", map[string]string{"path": path})
}

func (c *Client) change(ctx context.Context, path string, body any) (o Outcome, err error) {
	raw := []byte("{}")
	if body != nil {
		if raw, err = json.Marshal(body); err != nil {
			return o, fmt.Errorf("encoding a request: %w", err)
		}
	}
	return o, c.call(ctx, http.MethodPost, path, bytes.NewReader(raw), &o)
}

// getTimeout limits a request that reads. A change takes as long as it takes.
const getTimeout = 30 * time.Second

func (c *Client) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	return c.call(ctx, http.MethodGet, path, http.NoBody, into)
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://sessile/api/"+path, body)
	if err != nil {
		return fmt.Errorf("asking the store: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: reading its answer: %w", ErrUnreachable, err)
	}
	if answer.StatusCode != http.StatusOK {
		if ctx.Err() != nil { // a store in this process answers, although nobody waits
			return ctx.Err()
		}
		return refused(answer.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%w: its answer is not that of a store: %w", ErrUnreachable, err)
	}
	return nil
}

// refused returns the error that an answer holds.
func refused(status int, raw []byte) error {
	var said struct{ Error string }
	if err := json.Unmarshal(raw, &said); err != nil || said.Error == "" {
		said.Error = fmt.Sprintf("the store answered with status %d", status)
	}
	if status == http.StatusNotFound {
		return ErrNotFound
	}
	return errors.New(said.Error)
}
