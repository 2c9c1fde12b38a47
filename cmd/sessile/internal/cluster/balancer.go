package cluster

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
)

// Balancer returns a reverse proxy that sends each request to the next of the addresses. It passes over
// addresses that refuse the connection, before anything of the request was sent.
func Balancer(addrs []string) http.Handler {
	var turn atomic.Uint64
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		first := turn.Add(1)
		var all error
		for i := range addrs {
			conn, err := new(net.Dialer).DialContext(ctx, network, addrs[(int(first)+i)%len(addrs)])
			if err == nil {
				return conn, nil
			}
			all = errors.Join(all, err)
		}
		return nil, all
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "nodes"
			r.Out.Host = r.In.Host // the demo compares Origin with it
			r.SetXForwarded()
		},
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, // a connection is a turn
	}
}
