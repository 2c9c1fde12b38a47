package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// The user agents of the three devices.
const (
	laptopAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	phoneAgent  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	tabletAgent = "Mozilla/5.0 (Linux; Android 15; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

// device is one browser: a user agent and a cookie jar.
type device struct {
	name, agent string
	client      *http.Client
}

func newDevice(name, agent string) (*device, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("creating a cookie jar: %w", err)
	}
	return &device{name: name, agent: agent, client: &http.Client{
		Jar:           jar,
		Timeout:       wait,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// call sends a request and decodes the JSON response into into, unless that is nil. A response with
// another status than want is an error.
func (d *device) call(ctx context.Context, want int, method, address string, body, into any) error {
	got, err := d.send(ctx, method, address, body)
	if err != nil {
		return err
	}
	if got.status != want {
		return fmt.Errorf("%s: %s %s returned %d, want %d: %s", d.name, method, address, got.status, want, bytes.TrimSpace(got.body))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(got.body, into); err != nil {
		return fmt.Errorf("%s: decoding the response to %s %s: %w", d.name, method, address, err)
	}
	return nil
}

// response is a response that was read completely.
type response struct {
	status int
	node   string // the node that answered
	body   []byte
}

// send sends a request, with a JSON body unless body is nil.
func (d *device) send(ctx context.Context, method, address string, body any) (response, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return response{}, fmt.Errorf("encoding the request: %w", err)
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return response{}, fmt.Errorf("creating the request: %w", err)
	}
	req.Header.Set("User-Agent", d.agent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return response{}, fmt.Errorf("%s: %w", d.name, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return response{}, fmt.Errorf("%s: reading the response to %s %s: %w", d.name, method, req.URL.Path, err)
	}
	return response{resp.StatusCode, resp.Header.Get("Sessile-Node"), raw}, nil
}

// cookies returns the cookies that the device would send to address. A cookie jar ignores ports, so
// the cookies survive a restart of the server on another port.
func (d *device) cookies(address string) []*http.Cookie {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return d.client.Jar.Cookies(u)
}

// replay returns a device with a copy of the current cookies, like a thief or a backup would have.
func (d *device) replay(address string) (*device, error) {
	copied, err := newDevice("a replay of the "+d.name+"'s cookie", d.agent)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parsing %q: %w", address, err)
	}
	cookies := d.cookies(address)
	if len(cookies) == 0 {
		return nil, fmt.Errorf("the %s has no cookie to replay", d.name)
	}
	copied.client.Jar.SetCookies(u, cookies)
	return copied, nil
}
