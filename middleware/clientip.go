package middleware

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how far a forwarding header is followed.
const maxHops = 32

// proxies are those whose forwarding headers are believed.
type proxies struct {
	trusted   []netip.Prefix
	forwarded bool // Forwarded (RFC 7239) rather than X-Forwarded-For
}

func newProxies(list []string, header string) (proxies, error) {
	var p proxies
	var errs []error
	for _, s := range list {
		prefix, err := parsePrefix(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("trusted proxy %q: %w", s, err))
			continue
		}
		p.trusted = append(p.trusted, prefix)
	}
	switch {
	case header == "" || strings.EqualFold(header, "X-Forwarded-For"):
	case strings.EqualFold(header, "Forwarded"):
		p.forwarded = true
	default:
		errs = append(errs, fmt.Errorf("proxy header %q is neither X-Forwarded-For nor Forwarded", header))
	}
	return p, errors.Join(errs...)
}

// parsePrefix reads a CIDR or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}

func (p *proxies) trusts(a netip.Addr) bool {
	for _, t := range p.trusted {
		if t.Contains(a) {
			return true
		}
	}
	return false
}

// clientIP is the address of the client: of the connection, or, if that is a
// trusted proxy, the first untrusted hop from the right of the header that the
// proxies write. What is further left was written by whoever sent it.
func (p *proxies) clientIP(r *http.Request) string {
	addr, ok := parseHop(r.RemoteAddr)
	if !ok {
		return ""
	}
	if !p.trusts(addr) {
		return addr.String()
	}
	for _, hop := range p.hops(r.Header) {
		next, ok := parseHop(hop)
		if !ok {
			break // what a trusted proxy wrote is not an address: the proxy is all that is known
		}
		if addr = next; !p.trusts(addr) {
			break
		}
	}
	return addr.String()
}

// hops are the header's entries from right to left.
func (p *proxies) hops(h http.Header) []string {
	name := "X-Forwarded-For"
	if p.forwarded {
		name = "Forwarded"
	}
	var hops []string
	lines := h.Values(name)
	for i := len(lines) - 1; i >= 0; i-- {
		for line := lines[i]; line != "" && len(hops) < maxHops; {
			var item string
			if at := strings.LastIndexByte(line, ','); at >= 0 {
				line, item = line[:at], line[at+1:]
			} else {
				line, item = "", line
			}
			if p.forwarded {
				item = forwardedFor(item)
			}
			hops = append(hops, trimSpace(item))
		}
	}
	return hops
}

// forwardedFor is the "for" parameter of one element of a Forwarded header. A
// comma or semicolon inside quotes never belongs to an address, so an element
// that has one yields nothing that parses.
func forwardedFor(element string) string {
	for element != "" {
		var pair string
		pair, element, _ = strings.Cut(element, ";")
		name, value, ok := strings.Cut(trimSpace(pair), "=")
		if ok && strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseHop reads an address with or without port, brackets and zone.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	host, _, err := net.SplitHostPort(s)
	if err != nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap().WithZone(""), err == nil
}
