package middleware

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how far a forwarding header is followed.
const maxHops = 32

// unixProxy names, in Options.TrustedProxies, a proxy that connects through a
// Unix socket and so has no address.
const unixProxy = "unix"

// proxies are those whose forwarding headers are believed.
type proxies struct {
	trusted   []netip.Prefix
	unix      bool
	forwarded bool // Forwarded (RFC 7239) rather than X-Forwarded-For
}

func newProxies(list []string, header string) (proxies, error) {
	var p proxies
	var errs []error
	for _, s := range list {
		if s == unixProxy {
			p.unix = true
			continue
		}
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

// parsePrefix reads a CIDR or a single address. IPv4 in IPv6 becomes IPv4, as
// addresses do.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	const mapped = 128 - 32
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < mapped {
			return netip.Prefix{}, errors.New("covers more than IPv4 in IPv6")
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
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
// proxies write. What is further left was written by whoever sent it. It is ""
// if nothing is known.
func (p *proxies) clientIP(r *http.Request) string {
	addr, ok := parseHop(r.RemoteAddr)
	if ok && !p.trusts(addr) || !ok && !p.unix {
		return addrText(addr)
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
	return addrText(addr)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// hops are the header's entries from right to left, at most maxHops.
func (p *proxies) hops(h http.Header) []string {
	name := "X-Forwarded-For"
	if p.forwarded {
		name = "Forwarded"
	}
	var hops []string
	for _, line := range slices.Backward(h.Values(name)) {
		for line != "" && len(hops) < maxHops {
			at := strings.LastIndexByte(line, ',')
			item := line[at+1:]
			line = line[:max(at, 0)]
			if p.forwarded {
				item = forwardedFor(item)
			}
			hops = append(hops, trimSpace(item))
		}
	}
	return hops
}

// forwardedFor is the "for" parameter of one element of a Forwarded header.
//
// Elements are split at every comma, quoted or not, since who is further left
// may have opened a quote to swallow what a proxy appends. No address contains a
// comma or semicolon, so this loses nothing: half an element does not parse.
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
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}
