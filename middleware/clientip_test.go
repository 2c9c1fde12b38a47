package middleware

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestClientIPIsTheFirstUntrustedHopFromTheRight(t *testing.T) { // S42
	trusted := []string{"10.0.0.0/8", "2001:db8::/32", "192.0.2.1"}
	many := strings.Repeat("10.0.0.1, ", 40) + "10.0.0.2"
	for name, tt := range map[string]struct {
		proxies []string
		header  string
		remote  string
		lines   []string
		want    string
	}{
		"nobody is trusted":            {nil, "", "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"not even the loopback":        {nil, "", "127.0.0.1:1234", []string{"198.51.100.1"}, "127.0.0.1"},
		"an untrusted peer":            {trusted, "", "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"one proxy":                    {trusted, "", "10.1.2.3:80", []string{"198.51.100.1"}, "198.51.100.1"},
		"forged on the left":           {trusted, "", "10.1.2.3:80", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"forged to look like a proxy":  {trusted, "", "10.1.2.3:80", []string{"1.1.1.1, 10.9.9.9, 198.51.100.1, 10.0.0.7"}, "198.51.100.1"},
		"several lines":                {trusted, "", "10.1.2.3:80", []string{"1.1.1.1", "198.51.100.1", "10.0.0.7"}, "198.51.100.1"},
		"only proxies":                 {trusted, "", "10.1.2.3:80", []string{"10.0.0.9, 10.0.0.8"}, "10.0.0.9"},
		"no header":                    {trusted, "", "10.1.2.3:80", nil, "10.1.2.3"},
		"with a port":                  {trusted, "", "10.1.2.3:80", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		"IPv6":                         {trusted, "", "[2001:db8::1]:80", []string{"2001:470::5"}, "2001:470::5"},
		"IPv6 in brackets with a port": {trusted, "", "[2001:db8::1]:80", []string{"[2001:470::5]:4711"}, "2001:470::5"},
		"IPv6 in brackets":             {trusted, "", "[2001:db8::1]:80", []string{"[2001:470::5]"}, "2001:470::5"},
		"a zone":                       {trusted, "", "[fe80::1%eth0]:80", nil, "fe80::1"},
		"IPv4 in IPv6":                 {trusted, "", "[::ffff:10.1.2.3]:80", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"IPv4 in IPv6 as a prefix":     {[]string{"::ffff:10.0.0.0/104"}, "", "10.1.2.3:80", []string{"198.51.100.1"}, "198.51.100.1"},
		"a single trusted address":     {trusted, "", "192.0.2.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		"its neighbour":                {trusted, "", "192.0.2.2:80", []string{"198.51.100.1"}, "192.0.2.2"},
		"garbage from a proxy":         {trusted, "", "10.1.2.3:80", []string{"198.51.100.1, unknown"}, "10.1.2.3"},
		"garbage behind a proxy":       {trusted, "", "10.1.2.3:80", []string{"198.51.100.1, <script>, 10.0.0.7"}, "10.0.0.7"},
		"empty entries":                {trusted, "", "10.1.2.3:80", []string{"198.51.100.1,,"}, "10.1.2.3"},
		"more hops than anybody has":   {trusted, "", "10.1.2.3:80", []string{"198.51.100.1, " + many}, "10.0.0.1"},
		"a Unix socket, untrusted":     {trusted, "", "@", []string{"198.51.100.1"}, ""},
		"a Unix socket, trusted":       {append(trusted, "unix"), "", "@", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"the header that is not named": {trusted, "Forwarded", "10.1.2.3:80", nil, "10.1.2.3"},
		"Forwarded":                    {trusted, "Forwarded", "10.1.2.3:80", []string{"for=1.1.1.1, for=198.51.100.1;proto=https;by=10.0.0.1"}, "198.51.100.1"},
		"Forwarded, any case":          {trusted, "forwarded", "10.1.2.3:80", []string{`Proto=http; FOR="198.51.100.1:4711"`}, "198.51.100.1"},
		"Forwarded, IPv6":              {trusted, "Forwarded", "10.1.2.3:80", []string{`for="[2001:470::5]:4711"`}, "2001:470::5"},
		"Forwarded, obfuscated":        {trusted, "Forwarded", "10.1.2.3:80", []string{"for=198.51.100.1, for=_hidden"}, "10.1.2.3"},
		"Forwarded without for":        {trusted, "Forwarded", "10.1.2.3:80", []string{"for=198.51.100.1, by=10.0.0.1"}, "10.1.2.3"},
		"a quote that swallows":        {trusted, "Forwarded", "10.1.2.3:80", []string{`for="1.1.1.1, for=198.51.100.1`}, "198.51.100.1"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := newProxies(tt.proxies, tt.header)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
			line := "X-Forwarded-For"
			if p.forwarded {
				line = "Forwarded"
				r.Header.Set("X-Forwarded-For", "6.6.6.6")
			} else {
				r.Header.Set("Forwarded", "for=6.6.6.6")
			}
			r.Header[line] = tt.lines
			if got := p.clientIP(r); got != tt.want {
				t.Errorf("the client is %q, not %q", got, tt.want)
			}
		})
	}
}

func FuzzForwarded(f *testing.F) { // R9: for any header, the result is an address that a trusted party reported
	f.Add("10.1.2.3:80", `for="[2001:db8::1]:80";by=_x, for=1.2.3.4`, "1.1.1.1, 10.0.0.1", true)
	f.Add("[::ffff:10.1.2.3]:80", `for="a,b`, "1.1.1.1:99,,[::1%x]", false)
	f.Add("@", ";;=,==", "\x00", true)
	f.Fuzz(func(t *testing.T, remote, one, two string, forwarded bool) {
		header := "X-Forwarded-For"
		if forwarded {
			header = "Forwarded"
		}
		p, err := newProxies([]string{"10.0.0.0/8"}, header)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{RemoteAddr: remote, Header: http.Header{header: {one, two}}}
		got := p.clientIP(r)
		if got == "" {
			return
		}
		addr, err := netip.ParseAddr(got)
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			t.Fatalf("%q is not a plain address", got)
		}
		if peer, ok := parseHop(remote); ok && !p.trusts(peer) && addr != peer {
			t.Errorf("%q was believed from %v", got, peer)
		}
		// Nothing to its left can hide what the rightmost, trusted proxy appends.
		r.RemoteAddr = "10.1.2.3:80"
		suffix := "198.51.100.7"
		if forwarded {
			suffix = "for=198.51.100.7"
		}
		for _, lines := range [][]string{{one, two + ", " + suffix}, {one, two, suffix}} {
			r.Header[header] = lines
			if got := p.clientIP(r); got != "198.51.100.7" {
				t.Errorf("%q hides what the proxy appended: %q", lines, got)
			}
		}
	})
}

func TestClientIPFollowsThirtyTwoHopsAtMost(t *testing.T) {
	p := new(proxies)
	one := http.Header{"X-Forwarded-For": {strings.Repeat("192.0.2.1,", 99) + "192.0.2.1"}}
	two := http.Header{"X-Forwarded-For": slices.Repeat([]string{"192.0.2.1"}, 99)}
	for _, h := range []http.Header{one, two} {
		if n := len(p.hops(h)); n != maxHops {
			t.Errorf("%d hops, want %d", n, maxHops)
		}
	}
}
