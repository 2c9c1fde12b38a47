package middleware

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	tokenA = "AQAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	tokenB = "AQAAbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	tokenC = "AQAAcccccccccccccccccccccccccccccccccccccccccccccccc"
	tokenD = "AQAAdddddddddddddddddddddddddddddddddddddddddddddddd"
)

func finder(name string) *cookiePolicy { return &cookiePolicy{name: name} }

func TestCandidatesAreEveryCookieOfTheName(t *testing.T) { // S7, S9, S10
	const n = "__Host-session"
	long := strings.Repeat("x=y; ", 3000)
	for name, tt := range map[string]struct {
		lines   []string
		want    []string
		present bool
	}{
		"none":                       {nil, nil, false},
		"others only":                {[]string{"a=b; c=d"}, nil, false},
		"alone":                      {[]string{n + "=" + tokenA}, []string{tokenA}, true},
		"among others":               {[]string{"a=b; " + n + "=" + tokenA + "; c=d"}, []string{tokenA}, true},
		"without a space":            {[]string{"a=b;" + n + "=" + tokenA + ";c=d"}, []string{tokenA}, true},
		"with tabs":                  {[]string{"a=b;\t " + n + "=" + tokenA + " \t;c=d"}, []string{tokenA}, true},
		"on the second line":         {[]string{"a=b", n + "=" + tokenA}, []string{tokenA}, true},
		"twice, one order":           {[]string{n + "=" + tokenA + "; " + n + "=" + tokenB}, []string{tokenA, tokenB}, true},
		"twice, the other order":     {[]string{n + "=" + tokenB + "; " + n + "=" + tokenA}, []string{tokenB, tokenA}, true},
		"twice the same":             {[]string{n + "=" + tokenA, n + "=" + tokenA}, []string{tokenA}, true},
		"four":                       {[]string{n + "=" + tokenA + ";" + n + "=" + tokenB, n + "=" + tokenC + ";" + n + "=" + tokenD}, []string{tokenA, tokenB, tokenC}, true},
		"malformed ones cost none":   {[]string{n + "=x;" + n + "=;" + n + "=yy;" + n + "=" + tokenA}, []string{tokenA}, true},
		"after 3,000 others":         {[]string{long + n + "=" + tokenA}, []string{tokenA}, true},
		"empty":                      {[]string{n + "="}, nil, true},
		"quoted":                     {[]string{n + `="` + tokenA + `"`}, []string{tokenA}, true},
		"quoted and not, the same":   {[]string{n + `="` + tokenA + `"; ` + n + "=" + tokenA}, []string{tokenA}, true},
		"quoted among others":        {[]string{"a=b;" + n + `="` + tokenA + "\" \t; c=d"}, []string{tokenA}, true},
		"half quoted":                {[]string{n + `="` + tokenA, n + "=" + tokenB + `"`}, nil, true},
		"quoted twice":               {[]string{n + `=""` + tokenA + `""`}, nil, true},
		"one quote":                  {[]string{n + `="`}, nil, true},
		"too long":                   {[]string{n + "=" + tokenA + "x"}, nil, true},
		"space before the value":     {[]string{n + "= " + tokenA}, nil, true},
		"without a value":            {[]string{n}, nil, false},
		"wrong case":                 {[]string{"__host-session=" + tokenA + "; __HOST-SESSION=" + tokenB}, nil, false},
		"longer name":                {[]string{n + "2=" + tokenA + "; x" + n + "=" + tokenB}, nil, false},
		"space in the name":          {[]string{n + " =" + tokenA}, nil, false},
		"nameless":                   {[]string{"=" + n + "=" + tokenA + "; = " + n + "=" + tokenB}, nil, false},
		"in another's value":         {[]string{"a=" + n + "=" + tokenA + "; b= " + n + "=" + tokenB}, nil, false},
		"commas do not separate":     {[]string{"a=b, " + n + "=" + tokenA}, nil, false},
		"NUL and quotes all over":    {[]string{"\x00=\"; \"" + n + "=" + tokenA + "\"; \x00" + n + "=" + tokenB}, nil, false},
		"the name over and over":     {[]string{strings.Repeat(n, 1000) + "=" + tokenA}, nil, false},
		"nothing but separators":     {[]string{strings.Repeat("; ", 1000)}, nil, false},
		"the name twice in one pair": {[]string{n + "=" + n + "=" + tokenA}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := finder(n).find(http.Header{"Cookie": tt.lines})
			if !slices.Equal(c.sent(), tt.want) || c.present != tt.present {
				t.Errorf("found %q, %v; want %q, %v", c.sent(), c.present, tt.want, tt.present)
			}
		})
	}
}

func TestCandidatesTellWhetherThereAreMore(t *testing.T) {
	three := []string{"s=" + tokenA + "; s=" + tokenB, "s=" + tokenC}
	for name, tt := range map[string]struct {
		lines []string
		more  bool
	}{
		"three":                      {three, false},
		"three, and one again":       {append(slices.Clone(three), "s="+tokenA), false},
		"three, and a malformed one": {append(slices.Clone(three), "s=x; s="), false},
		"four":                       {append(slices.Clone(three), "s="+tokenD), true},
		"four, the last far away":    {append(slices.Clone(three), strings.Repeat("s=x; ", 3000), "s="+tokenB+"; a=b; s="+tokenD), true},
	} {
		if c := finder("s").find(http.Header{"Cookie": tt.lines}); c.more != tt.more || c.n != maxCandidates {
			t.Errorf("%s: more is %v, %d candidates", name, c.more, c.n)
		}
	}
}

func TestCandidatesComeFromTheCookieHeaderOnly(t *testing.T) { // S9, A4
	h := http.Header{"Set-Cookie": {"s=" + tokenA}, "Cookie2": {"s=" + tokenA}, "X-Cookie": {"s=" + tokenA}}
	if c := finder("s").find(h); c.present {
		t.Error("a cookie was found elsewhere")
	}
}

func TestCandidatesAllocateNothing(t *testing.T) { // A14
	megabyte := http.Header{"Cookie": {strings.Repeat("__Host-session=x; ", 1<<16)}}
	if n := testing.AllocsPerRun(10, func() { finder("__Host-session").find(megabyte) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHostileCookieHeader(b *testing.B) { // A14: a megabyte, in four shapes
	for name, line := range map[string]string{
		"separators":   strings.Repeat(";", 1<<20),
		"small pairs":  strings.Repeat("a=b; ", 1<<18),
		"the name":     strings.Repeat("__Host-session", 1<<16),
		"our cookies":  strings.Repeat("__Host-session=x; ", 1<<16),
		"near misses":  strings.Repeat("__Host-sessio=", 1<<16),
		"white spaces": strings.Repeat(strings.Repeat(" ", 100)+"__Host-session", 1<<13),
	} {
		h := http.Header{"Cookie": {line}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				finder("__Host-session").find(h)
			}
		})
	}
}

// split finds candidates in the obvious way.
func split(lines []string, name string) (values []string, present bool) {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			n, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if !ok || n != name {
				continue
			}
			present = true
			if cut, ok := strings.CutPrefix(value, `"`); ok && strings.HasSuffix(cut, `"`) {
				value = strings.TrimSuffix(cut, `"`)
			}
			if len(value) == tokenLength && !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
	}
	return values, present
}

func FuzzCookieHeader(f *testing.F) { // R9: the scan agrees with the obvious one
	f.Add("a=b; __Host-session="+tokenA, "__Host-session="+tokenB, "__Host-session")
	f.Add("; ;=;s;s=;s=s=s; s ="+tokenA, "\x00\"s="+tokenC, "s")
	f.Add("aaa="+tokenA+"; aa="+tokenB, "a="+tokenD, "aa")
	f.Fuzz(func(t *testing.T, one, two, name string) {
		if (&http.Cookie{Name: name, Value: "x"}).Valid() != nil {
			t.Skip()
		}
		lines := []string{one, two}
		c := finder(name).find(http.Header{"Cookie": lines})
		want, present := split(lines, name)
		more := len(want) > maxCandidates
		want = want[:min(len(want), maxCandidates)]
		if !slices.Equal(c.sent(), want) || c.present != present || c.more != more {
			t.Errorf("found %q, %v, %v; want %q, %v, %v", c.sent(), c.present, c.more, want, present, more)
		}
	})
}

func TestBearerIsRecognisedUnlessTheSchemeGoesOn(t *testing.T) { // RFC 9110 §5.6.2
	for c := byte(1); c < 0x7f; c++ {
		token := strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", c) >= 0
		if _, found := bearer(http.Header{"Authorization": {"Bearer" + string(c) + "x"}}); found == token {
			t.Errorf("after the byte %q: found %v", c, found)
		}
	}
}

func TestUnquoteRemovesOnePairOfQuotes(t *testing.T) {
	for in, want := range map[string]string{`""`: "", `"`: `"`, `"a"`: "a", `"a`: `"a`, `a"`: `a"`, `""a""`: `"a"`, "": ""} {
		if got := unquote(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
