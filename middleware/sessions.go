package middleware

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// Sessions is the session middleware. Get one from [New]. It is safe for concurrent use.
type Sessions struct {
	store    *sessile.Store
	calls    storeCalls
	opts     Options
	cookie   cookiePolicy
	proxies  proxies
	deadline deadline
	touch    time.Duration
	inFlight time.Duration // how long a request with a replaced token may be in flight
	maxData  int
	seed     maphash.Seed
	replaced recent // tokens that were replaced
	noticed  recent // sessions whose change of browser was reported
	adopted  adoptions
}

// New returns the middleware over store. Options that are unsafe, or that browsers would refuse,
// return a [sessile.ErrInvalidConfig] that lists every fault.
func New(store *sessile.Store, opts Options) (*Sessions, error) {
	if store == nil {
		return nil, fmt.Errorf("session middleware: %w: no store", sessile.ErrInvalidConfig)
	}
	calls, ok := bridge.Of(store).(storeCalls)
	if !ok {
		return nil, fmt.Errorf("session middleware: %w: the store must come from sessile.Open or sessile.New", sessile.ErrInvalidConfig)
	}
	opts = opts.withDefaults()
	policy, err1 := newCookiePolicy(opts.Cookie, opts.Insecure)
	trusted, err2 := newProxies(opts.TrustedProxies, opts.ProxyHeader)
	if err := errors.Join(err1, err2, opts.check()); err != nil {
		return nil, fmt.Errorf("session middleware: %w:\n%w", sessile.ErrInvalidConfig, err)
	}
	cfg := store.Config()
	if longest := max(opts.GuestTTL, opts.GuestMaxLifetime); cfg.MaxLifetime != sessile.NoMaxLifetime && longest > cfg.MaxLifetime {
		return nil, fmt.Errorf("session middleware: %w: guest lifetime %v is longer than the store's max_lifetime (limit %v)",
			sessile.ErrInvalidConfig, longest, cfg.MaxLifetime)
	}
	return &Sessions{
		store: store, calls: calls, opts: opts, cookie: policy, proxies: trusted,
		deadline: deadline{patience: opts.CommitTimeout},
		touch:    cfg.TouchInterval, inFlight: max(justNow, 2*cfg.RotateGrace), maxData: cfg.MaxDataBytes,
		seed: maphash.MakeSeed(),
	}, nil
}

// String returns the name of the cookie, for logs.
func (m *Sessions) String() string { return "Sessions(" + strconv.Quote(m.cookie.name) + ")" }

// GoString returns the same as String.
func (m *Sessions) GoString() string { return m.String() }

// Format prints String for every verb.
func (m *Sessions) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// LogValue returns String for slog.
func (m *Sessions) LogValue() slog.Value { return slog.StringValue(m.String()) }

// Store returns the store.
func (m *Sessions) Store() *sessile.Store { return m.store }

// CookieName returns the name of the cookie.
func (m *Sessions) CookieName() string { return m.cookie.name }

// ClientIP returns the client's address as sessions record it. It is the address of the connection
// or, behind a proxy in Options.TrustedProxies, the one that the proxy reports. It returns "" if
// nothing is known.
func (m *Sessions) ClientIP(r *http.Request) string { return m.proxies.clientIP(r) }

// Handler returns a handler that gives next the session of each request.
//
// It looks the session up before next runs, so next never runs with a session that could not be
// read. From memory this takes about a microsecond.
//
// If next never accesses the session, the access is recorded, but the response stays as next wrote
// it, without a cookie, Cache-Control or Vary. A cookie that is due waits for a response whose
// handler accesses the session.
func (m *Sessions) Handler(next http.Handler) http.Handler { return &handler{m, next} }

type handler struct {
	m    *Sessions
	next http.Handler
}

// ServeHTTP is a method and not a closure, because then the compiler inlines WithContext and keeps
// its copy of the request on the stack.
func (g *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	if g.m.of(ctx) != nil { // wrapped twice: the outer one has the session
		g.next.ServeHTTP(w, r)
		return
	}
	p := &parcel{exchange: exchange{Context: ctx}}
	x := &p.exchange
	h := &x.handle
	h.m, h.req, h.cur.sent = g.m, r, &p.sent
	err := h.load(ctx)
	if err == nil && g.m.opts.Adopt != nil {
		x.writer.removesOld, err = h.adopt(ctx)
	}
	if err != nil {
		if !g.m.opts.AllowAnonymousOnError {
			g.m.fail(w, r, err, encodingOf(w))
			return
		}
		h.fault, h.fate = err, keepCookie
	}
	x.writer.ResponseWriter, x.writer.handle, x.writer.encoding = w, h, encodingOf(w)
	p.request = *r.WithContext(x)
	defer p.leave()
	g.next.ServeHTTP(wrap(&x.writer), &p.request)
	x.writer.finish()
}

// leave ends the request, also after a panic. After a panic nothing is committed. It copies back
// what net/http and outer loggers read from their request: the multipart files to delete, and the
// matched pattern.
func (p *parcel) leave() {
	outer := p.handle.req
	outer.MultipartForm, outer.Pattern = p.request.MultipartForm, p.request.Pattern
	if !p.writer.begun {
		p.handle.abandon(p.writer.Header())
	} else if p.writer.timedOut() {
		p.handle.undelivered()
	}
}

const contentEncoding = "Content-Encoding"

// encodingOf returns the Content-Encoding that an outer compressing middleware has set, or nil. It
// returns a pointer to keep a parcel within 512 bytes.
func encodingOf(w http.ResponseWriter) *[]string {
	encoding, ok := w.Header()[contentEncoding]
	if !ok {
		return nil
	}
	kept := encoding // a copy, so that the common path does not allocate
	return &kept
}

// fail answers with the application's error handler. encoding is the Content-Encoding that the
// response had before the handler ran. Whoever set it outside compresses what we write.
func (m *Sessions) fail(w http.ResponseWriter, r *http.Request, err error, encoding *[]string) {
	header := w.Header()
	// Headers that describe the response which the handler wanted.
	for _, name := range [...]string{
		"Content-Length", contentEncoding, "Content-Type", "Content-Range", "Content-Disposition",
		"Etag", "Last-Modified", "Location",
	} {
		header.Del(name)
	}
	if encoding != nil {
		header[contentEncoding] = *encoding
	}
	uncache(header)
	m.vary(header)
	m.opts.ErrorHandler(w, r, err)
}
