package fibersession

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
)

const setCookie = "Set-Cookie"

// request returns Fiber's request without its body. Unlike Fiber's own adaptor it copies
// everything, because a session keeps the name of its browser, and fasthttp reuses the buffer for
// the next request.
func request(c fiber.Ctx) (*http.Request, error) {
	target := strings.Clone(c.OriginalURL())
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	header := make(http.Header)
	for name, value := range c.Request().Header.All() {
		header.Add(string(name), string(value))
	}
	header.Del("Host")
	conn := c.RequestCtx()
	r := &http.Request{
		Method: strings.Clone(c.Method()), URL: u, RequestURI: target, Host: string(c.Request().Host()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody,
		RemoteAddr: conn.RemoteAddr().String(), TLS: conn.TLSConnectionState(),
	}
	return r.WithContext(c.Context()), nil
}

// takeHeader shows the middleware the header from Fiber's handlers, in addition to its own.
func (x *exchange) takeHeader() {
	x.before = make(http.Header)
	for name, value := range x.c.Response().Header.All() {
		x.before.Add(string(name), string(value))
	}
	for name, values := range x.before {
		x.answer.header[name] = append(x.answer.header[name], values...)
	}
}

// putHeader gives Fiber the header fields that the middleware has changed.
func (x *exchange) putHeader() {
	h := &x.c.Response().Header
	for name, values := range x.answer.header {
		old := x.before[name]
		if slices.Equal(old, values) {
			continue
		}
		if name == setCookie && len(old) <= len(values) && slices.Equal(old, values[:len(old)]) {
			values = values[len(old):]
		} else {
			h.Del(name)
		}
		for _, v := range values {
			h.Add(name, v)
		}
	}
	for name := range x.before {
		if _, kept := x.answer.header[name]; !kept {
			h.Del(name)
		}
	}
}

// answer is a response that the middleware itself writes.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.body = append(a.body, b...)
	return len(b), nil
}

func (a *answer) code() int {
	a.WriteHeader(http.StatusOK)
	return a.status
}
