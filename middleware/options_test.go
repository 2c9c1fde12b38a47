package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

func TestOptionsThatAreImpossibleAreRefusedByNew(t *testing.T) { // S12, S13
	f := setUp(t, sessile.Config{}, middleware.Options{})
	type o = middleware.Options
	type c = middleware.Cookie
	for name, tt := range map[string]struct {
		opts o
		want string
	}{
		"prefix over plain HTTP":       {o{Insecure: true, Cookie: c{Name: "__Host-s"}}, `"__Host-s" needs Secure`},
		"prefix in another case":       {o{Insecure: true, Cookie: c{Name: "__hOST-s"}}, "needs Secure"},
		"__Secure- over plain HTTP":    {o{Insecure: true, Cookie: c{Name: "__Secure-s"}}, "needs Secure"},
		"__Http- over plain HTTP":      {o{Insecure: true, Cookie: c{Name: "__Http-s"}}, "needs Secure"},
		"__Host- with a domain":        {o{Cookie: c{Domain: "example.com"}}, "must not have a Domain"},
		"__Host- with a path":          {o{Cookie: c{Path: "/app"}}, "needs Path=/"},
		"__Host-Http- with a path":     {o{Cookie: c{Name: "__Host-Http-s", Path: "/app"}}, "needs Path=/"},
		"SameSite=None without Secure": {o{Insecure: true, Cookie: c{SameSite: http.SameSiteNoneMode}}, "SameSite=None needs Secure"},
		"Partitioned without Secure":   {o{Insecure: true, Cookie: c{Partitioned: true}}, "Partitioned needs Secure"},
		"unknown SameSite":             {o{Cookie: c{SameSite: 9}}, "SameSite 9 is unknown"},
		"relative path":                {o{Cookie: c{Name: "s", Path: "app"}}, "does not begin with /"},
		"path with a semicolon":        {o{Cookie: c{Name: "s", Path: "/a;b"}}, "in Cookie.Path"},
		"name with a space":            {o{Cookie: c{Name: "a b"}}, "invalid Cookie.Name"},
		"bad domain":                   {o{Cookie: c{Name: "s", Domain: "a_b?"}}, "invalid Cookie.Domain"},
		"name too long":                {o{Cookie: c{Name: strings.Repeat("n", 4050)}}, "longer than 4096"},
		"path too long":                {o{Cookie: c{Name: "s", Path: "/" + strings.Repeat("p", 1024)}}, "longer than 1024"},
		"bad CIDR":                     {o{TrustedProxies: []string{"10.0.0.0/33"}}, `"10.0.0.0/33"`},
		"host name as a proxy":         {o{TrustedProxies: []string{"proxy.example"}}, "proxy.example"},
		"more than IPv4 in IPv6":       {o{TrustedProxies: []string{"::ffff:0:0/90"}}, "more than IPv4"},
		"unknown proxy header":         {o{ProxyHeader: "X-Real-IP"}, "X-Real-IP"},
		"unknown fingerprint mode":     {o{Fingerprint: "strict"}, `"strict"`},
		"negative rotation":            {o{RotateEvery: -1}, "negative"},
		"rotation all the time":        {o{RotateEvery: time.Second}, "1s is below the minimum of 1m"},
		"negative commit timeout":      {o{CommitTimeout: -1}, "negative"},
		"negative guest TTL":           {o{Guests: true, GuestTTL: -1}, "negative"},
		"guest TTL without guests":     {o{GuestTTL: time.Hour}, "Guests is off"},
		"guest TTL above the lifetime": {o{Guests: true, GuestTTL: 2161 * time.Hour}, "2161h0m0s is longer than the store's max_lifetime (limit 2160h0m0s)"},
		"guest lifetime above limit":   {o{Guests: true, GuestMaxLifetime: 2161 * time.Hour}, "2161h0m0s is longer than the store's max_lifetime (limit 2160h0m0s)"},
		"guest lifetime, no guests":    {o{GuestMaxLifetime: time.Hour}, "Guests is off"},
		"negative guest lifetime":      {o{Guests: true, GuestMaxLifetime: -1}, "negative"},
		"empty key carried over":       {o{CarryOver: []string{""}}, "empty"},
		"adoption without a cookie":    {o{Adopt: knows().adopt}, "AdoptCookie: http: invalid Cookie.Name"},
		"Clear-Site-Data unquoted":     {o{ClearSiteData: "cache"}, "Clear-Site-Data"},
		"Clear-Site-Data, two lines":   {o{ClearSiteData: "\"cache\"\r\nX: y"}, "Clear-Site-Data"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := middleware.New(f.store, tt.opts)
			if m != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
			f.wantErr(err, sessile.ErrInvalidConfig)
		})
	}
}

func TestOptionsReportAllErrorsAtOnce(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	_, err := middleware.New(f.store, middleware.Options{
		Insecure: true, Cookie: middleware.Cookie{Name: "__Host-s", Domain: "example.com", Path: "/x"},
		TrustedProxies: []string{"nonsense", "10.0.0.0/99"}, Fingerprint: "x", RotateEvery: -1,
	})
	for _, want := range []string{"needs Secure", "Domain", "Path=/", "nonsense", "10.0.0.0/99", `"x"`, "rotation"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q:\n%v", want, err)
		}
	}
}

func TestOptionsThatAreValidAreAccepted(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	for _, opts := range []middleware.Options{
		{},
		{Insecure: true},
		{Cookie: middleware.Cookie{Name: "__Secure-s", Domain: "example.com", Path: "/app", SameSite: http.SameSiteStrictMode}},
		{Cookie: middleware.Cookie{Name: "__Host-Http-s", SameSite: http.SameSiteNoneMode, Partitioned: true}},
		{TrustedProxies: []string{"10.0.0.0/8", "::1", "192.0.2.7", "::ffff:10.0.0.0/104", "unix"}, ProxyHeader: "forwarded"},
		{ClearSiteData: `"cache", "storage"`, RotateEvery: time.Minute, Fingerprint: middleware.FingerprintDestroy},
	} {
		if _, err := middleware.New(f.store, opts); err != nil {
			t.Error(err)
		}
	}
}

func TestNewNeedsAStore(t *testing.T) {
	if _, err := middleware.New(nil, middleware.Options{}); err == nil {
		t.Error("it was built without one")
	}
}

func TestOptionsChangedAfterNewChangeNothing(t *testing.T) {
	keys := []string{"cart"}
	f := setUp(t, sessile.Config{}, middleware.Options{Guests: true, CarryOver: keys})
	keys[0] = "secret"
	b := f.browser()
	b.do(set(f, "cart", 1))
	b.login("alice")
	f.want(valueOf[int](b, "cart"), 1)
}

// around is the function type that routers take.
func around(m func(http.Handler) http.Handler) func(http.Handler) http.Handler { return m }

func TestNewReturnsPlainNetHTTP(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	w := httptest.NewRecorder()
	around(f.m.Handler)(http.NotFoundHandler()).ServeHTTP(w, f.browser().request())
	f.want(w.Code, http.StatusNotFound)
	f.want(f.m.CookieName(), "__Host-session")
	f.want(f.m.Store(), f.store)
}

func TestNewNestsSeveralMiddlewares(t *testing.T) { // each has its own Handle
	f := setUp(t, sessile.Config{}, middleware.Options{})
	admin, err := middleware.New(f.store, middleware.Options{Cookie: middleware.Cookie{Name: "__Host-admin"}})
	f.must(err)
	inner := handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if f.m.From(r.Context()) != h || admin.From(r.Context()) == h {
			t.Error("the handles are mixed up")
		}
		f.must(f.m.From(r.Context()).Authenticate(r.Context(), "alice"))
		f.must(admin.From(r.Context()).Authenticate(r.Context(), "root"))
	})
	w := httptest.NewRecorder()
	admin.Handler(f.m.Handler(inner)).ServeHTTP(w, f.browser().request())
	resp := w.Result()
	f.want(len(resp.Cookies()), 2)
	f.want(strings.Join(resp.Header.Values("Vary"), "|"), "Cookie")
}

func TestNewTwiceIsOnce(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	w := httptest.NewRecorder()
	f.m.Handler(f.m.Handler(handler(func(_ http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		f.must(h.Authenticate(r.Context(), "alice"))
	}))).ServeHTTP(w, f.browser().request())
	f.want(len(w.Result().Cookies()), 1)
}

// TestOptionsAtTheirBoundsAreAccepted: a browser keeps a cookie of 4,096 bytes, including its token
// of 52, and attributes of 1,024 (S13).
func TestOptionsAtTheirBoundsAreAccepted(t *testing.T) {
	f := setUp(t, sessile.Config{}, middleware.Options{})
	for name, o := range map[string]middleware.Options{
		"name":                 {Cookie: middleware.Cookie{Name: strings.Repeat("n", 4096-52)}},
		"path":                 {Cookie: middleware.Cookie{Name: "s", Path: "/" + strings.Repeat("p", 1023)}},
		"name like a prefix":   {Insecure: true, Cookie: middleware.Cookie{Name: "__Host"}},
		"all of IPv4, in IPv6": {TrustedProxies: []string{"::ffff:0:0/96"}},
	} {
		if _, err := middleware.New(f.store, o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]middleware.Options{
		"name":            {Cookie: middleware.Cookie{Name: strings.Repeat("n", 4096-51)}},
		"the prefix bare": {Insecure: true, Cookie: middleware.Cookie{Name: "__Host-"}},
	} {
		if _, err := middleware.New(f.store, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
