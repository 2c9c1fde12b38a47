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

// maxHops limits how many entries of a forwarding header are followed.
const maxHops = 32

// unixProxy in Options.TrustedProxies means a proxy that connects through a Unix socket and so has
// no address.
const unixProxy = "unix"

// proxies are the trusted proxies and the header that they write.
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

// parsePrefix parses a CIDR or a single address. It converts IPv4-mapped IPv6 to IPv4, as parseHop
// does.
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
			return netip.Prefix{}, errors.New("covers more than IPv4-mapped addresses")
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

// clientIP returns the client's address. It is the address of the connection. If that is a trusted
// proxy, it is the first untrusted hop from the right of the proxies' header. Entries further left
// are not trustworthy, because the untrusted hop may have written them. It returns "" if nothing is
// known.
func (p *proxies) clientIP(r *http.Request) string {
	addr, ok := parseHop(r.RemoteAddr)
	if ok && !p.trusts(addr) || !ok && !p.unix {
		return addrText(addr)
	}
	for _, hop := range p.hops(r.Header) {
		next, ok := parseHop(hop)
		if !ok {
			break // a trusted proxy wrote something else than an address: fall back to the proxy
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

// hops returns the header's entries from right to left, at most maxHops.
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

// forwardedFor returns the "for" parameter of one element of a Forwarded header.
//
// Elements are split at every comma, quoted or not. Otherwise a client could open a quote that
// swallows what a proxy appends. No address contains a comma or a semicolon, so nothing is lost:
// half an element does not parse.
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

// parseHop parses an address with or without port, brackets and zone.
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
