package middleware_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

const (
	keptCookie    = ""
	sentCookie    = "__Host-session=TOKEN; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"
	removedCookie = "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
)

// wire is a real server on a socket, to which a test writes byte by byte.
type wire struct {
	*fixture
	addr string
	log  *lockedBuffer // what net/http says of panics
}

// lockedBuffer is a buffer that the server's goroutines may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// listen serves through the middleware until the test ends. It fails the test if anything panicked.
func (f *fixture) listen(a action) *wire {
	f.Helper()
	return f.listenTo(f.m.Handler(handler(a)))
}

func (f *fixture) listenTo(h http.Handler) *wire {
	f.Helper()
	l, err := new(net.ListenConfig).Listen(f.Context(), "tcp", "127.0.0.1:0")
	f.must(err)
	w := &wire{fixture: f, addr: l.Addr().String(), log: new(lockedBuffer)}
	server := &http.Server{Handler: h, ErrorLog: log.New(w.log, "", 0), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	f.Cleanup(func() {
		f.must(server.Close())
		f.wantErr(<-ended, http.ErrServerClosed)
		if said := w.log.String(); strings.Contains(said, "panic") || strings.Contains(said, "superfluous") {
			f.Errorf("the server says: %s", said)
		}
	})
	return w
}

func (w *wire) dial() net.Conn {
	w.Helper()
	c, err := new(net.Dialer).DialContext(w.Context(), "tcp", w.addr)
	w.must(err)
	w.must(c.SetDeadline(time.Now().Add(30 * time.Second)))
	return c
}

// say writes raw bytes and reads one response for each method.
func (w *wire) say(raw string, methods ...string) []*http.Response {
	w.Helper()
	c := w.dial()
	defer c.Close()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(c, raw) // a server may refuse before it has read everything
	}()
	in := bufio.NewReader(c)
	answers := make([]*http.Response, len(methods))
	for i, method := range methods {
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		w.must(err)
		body, err := io.ReadAll(resp.Body)
		w.must(err)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		answers[i] = resp
	}
	_ = c.Close()
	<-written
	return answers
}

// lookups returns how often the store was asked. All sessions are in memory here.
func (f *fixture) lookups() int {
	stats := f.store.Stats()
	return int(stats.Hits + stats.UnknownTokens)
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// mostAllocated limits what the whole process allocates for one request, including the client and
// net/http. It is generous, but linear in the size of the request.
func mostAllocated(request string) uint64 { return 256<<10 + 10*uint64(len(request)) }

// forged returns a well-formed token that opens nothing, a different one for each n.
func forged(n int) string { return fmt.Sprintf("AQAA%047dA", n) }

// get returns a request with some header lines.
func get(lines ...string) string { return ask("GET / HTTP/1.1", lines...) }

func ask(first string, lines ...string) string {
	return first + "\r\nHost: example.com\r\nConnection: close\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
}

// post returns a request with a body.
func post(kind, body string, lines ...string) string {
	return ask("POST / HTTP/1.1", append(lines, "Content-Type: "+kind, fmt.Sprint("Content-Length: ", len(body)))...) + body
}

// cookies returns a Cookie line with one cookie of our name for each value.
func cookies(values ...string) string {
	return "Cookie: __Host-session=" + strings.Join(values, "; __Host-session=")
}

func repeat(n int, what func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(what(i))
	}
	return b.String()
}

// whoever answers with the user, and with 401 to others.
func whoever(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
	_, _ = io.Copy(io.Discard, r.Body)
	user, ok := h.UserID()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
	}
	fmt.Fprint(w, user)
}

// hostile is one request, and what it may do.
type hostile struct {
	request string
	status  int
	lookups int // exactly, and never more than three
	cookie  string
}

func hostileCookies(good string) map[string]hostile { // S7, S9, S10, A3, A4, A14, A29
	const no, yes = http.StatusUnauthorized, http.StatusOK
	foreign := repeat(3000, func(i int) string { return fmt.Sprintf("c%d=%d; ", i, i) })
	malformed := repeat(3000, func(i int) string { return fmt.Sprintf("__Host-session=%d; ", i) })
	planted := repeat(3000, func(i int) string { return "__Host-session=" + forged(5000+i) + "; " })
	unknown := repeat(3000, func(i int) string { return "__Host-session=" + forged(1000+i) + "; " })
	megabyte := "Cookie: " + strings.Repeat("a", 1<<20-300) + "=1; __Host-session=" + good
	return map[string]hostile{
		"no cookie":                           {get(), no, 0, keptCookie},
		"a good cookie":                       {get(cookies(good)), yes, 1, keptCookie},
		"an unknown token":                    {get(cookies(forged(1))), no, 1, removedCookie},
		"3,000 foreign cookies":               {get("Cookie: " + foreign + "__Host-session=" + good), yes, 1, keptCookie},
		"3,000 malformed ones":                {get("Cookie: " + malformed + "__Host-session=" + good), yes, 1, keptCookie},
		"3,000 unknown ones":                  {get("Cookie: " + unknown), no, 3, keptCookie},
		"3,000 unknown ones before the good":  {get("Cookie: " + unknown + "__Host-session=" + good), no, 3, keptCookie},
		"3,000 lines":                         {get(strings.TrimSuffix(strings.Repeat("Cookie: a=b\r\n", 3000), "\r\n"), cookies(good)), yes, 1, keptCookie},
		"a megabyte that net/http lets pass":  {get(megabyte), yes, 1, keptCookie},
		"more than that":                      {get(megabyte, "X-More: "+strings.Repeat("m", 8<<10)), http.StatusRequestHeaderFieldsTooLarge, 0, keptCookie},
		"a megabyte of a token":               {get(cookies(good + strings.Repeat("A", 1<<20-300))), no, 0, removedCookie},
		"NUL in the value":                    {get(cookies(good[:20] + "\x00" + good[21:])), http.StatusBadRequest, 0, keptCookie},
		"NUL after the value":                 {get(cookies(good + "\x00")), http.StatusBadRequest, 0, keptCookie},
		"a line break in the value":           {get(cookies(good[:20] + "\n" + good[21:])), http.StatusBadRequest, 0, keptCookie},
		"quotes around the value":             {get(cookies(`"` + good + `"`)), yes, 1, keptCookie},
		"quotes within a token's length":      {get(cookies(`"` + good[:45] + `"`)), no, 0, removedCookie},
		"an apostrophe and SQL":               {get(cookies((`' OR 1=1--` + good)[:47])), no, 0, removedCookie},
		"a path for a value":                  {get(cookies(("../../../../etc/passwd" + good)[:47])), no, 0, removedCookie},
		"bytes that are no UTF-8":             {get(cookies(strings.Repeat("\xff", 47))), no, 0, removedCookie},
		"letters that are no ASCII":           {get(cookies(strings.Repeat("é", 23) + "A")), no, 0, removedCookie},
		"another text of the same bits":       {get(cookies(good[:46] + next(good[46:]))), no, 0, removedCookie},
		"padding":                             {get(cookies(good[:46] + "=")), no, 0, removedCookie},
		"an empty value":                      {get(cookies("")), no, 0, removedCookie},
		"nameless, with an equals sign":       {get("Cookie: =" + good), no, 0, keptCookie},
		"nameless, without":                   {get("Cookie: " + good), no, 0, keptCookie},
		"nameless, to look like ours":         {get("Cookie: =__Host-session=" + good), no, 0, keptCookie},
		"prefix in the wrong case":            {get("Cookie: __host-session=" + good + "; __HOST-session=" + good), no, 0, keptCookie},
		"name in the wrong case":              {get("Cookie: __Host-Session=" + good), no, 0, keptCookie},
		"name without the prefix":             {get("Cookie: session=" + good + "; __Secure-session=" + good), no, 0, keptCookie},
		"commas for semicolons":               {get("Cookie: a=b, __Host-session=" + good), no, 0, keptCookie},
		"the good one first":                  {get(cookies(good, forged(1))), yes, 1, keptCookie},
		"the good one last":                   {get(cookies(forged(1), good)), yes, 2, keptCookie},
		"the good one third":                  {get(cookies(forged(1), forged(2), good)), yes, 3, keptCookie},
		"the good one fourth":                 {get(cookies(forged(1), forged(2), forged(3), good)), no, 3, keptCookie},
		"three that are dead":                 {get(cookies(forged(1), forged(2), forged(3))), no, 3, removedCookie},
		"the good one five times":             {get(cookies(good, good, good, good, good)), yes, 1, keptCookie},
		"an unknown one five times":           {get(cookies(forged(1), forged(1), forged(1), forged(1), forged(1))), no, 1, removedCookie},
		"on the second line":                  {get("Cookie: a=b", cookies(good)), yes, 1, keptCookie},
		"one line each, the good one third":   {get(cookies(forged(1)), cookies(forged(2)), cookies(good)), yes, 3, keptCookie},
		"one line each, the good one fourth":  {get(cookies(forged(1)), cookies(forged(2)), cookies(forged(3)), cookies(good)), no, 3, keptCookie},
		"header name in small letters":        {get("cookie: __Host-session=" + good), yes, 1, keptCookie},
		"a space after the header name":       {get("Cookie : __Host-session=" + good), http.StatusBadRequest, 0, keptCookie},
		"a folded line":                       {get("Cookie: a=b;\r\n __Host-session=" + good), yes, 1, keptCookie},
		"attributes with an absurd Max-Age":   {get(cookies(good) + "; Max-Age=99999999999999999999; Path=/; Domain=evil.example"), yes, 1, keptCookie},
		"attributes of RFC 2965":              {get(`Cookie: $Version="1"; __Host-session=` + good + `; $Path="/"`), yes, 1, keptCookie},
		"a login over a planted token":        {ask("GET /login HTTP/1.1", cookies(forged(99))), yes, 1, sentCookie},
		"a login with 3,000 planted tokens":   {ask("GET /login HTTP/1.1", "Cookie: "+planted), yes, 180, sentCookie},
		"HTTP/1.0":                            {"GET / HTTP/1.0\r\n" + cookies(good) + "\r\n\r\n", yes, 1, keptCookie},
		"HTTP/1.0, a login":                   {"GET /login HTTP/1.0\r\n\r\n", yes, 0, sentCookie},
		"HTTP/1.0, unknown, kept alive":       {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n" + cookies(forged(1)) + "\r\n\r\n", no, 1, removedCookie},
		"HTTP/0.9":                            {"GET /\r\n\r\n", http.StatusBadRequest, 0, keptCookie},
		"HEAD":                                {ask("HEAD / HTTP/1.1", cookies(forged(1))), no, 1, removedCookie},
		"a user agent that is no UTF-8":       {ask("GET /login HTTP/1.1", "User-Agent: \xff\xfe\x80(((;;;"), yes, 0, sentCookie},
		"a user agent of half a megabyte":     {ask("GET /login HTTP/1.1", "User-Agent: "+strings.Repeat("(;a/1 ", 1<<19/6)), yes, 0, sentCookie},
		"forwarding headers of half a MB":     {ask("GET /login HTTP/1.1", "X-Forwarded-For: "+strings.Repeat("1.1.1.1, ", 1<<19/9)), yes, 0, sentCookie},
		"a method of its own":                 {ask("SESSION / HTTP/1.1", cookies(good)), yes, 1, keptCookie},
		"chunks, and a Cookie in the trailer": {ask("POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: Cookie") + "0\r\n" + cookies(good) + "\r\n\r\n", no, 0, keptCookie},
	}
}

// next returns the letter after c in base64url. They differ in the lowest bit, which carries
// nothing.
func next(c string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.Index(letters, c)+1:][:1]
}

func tokenElsewhere(good string) map[string]hostile { // S9, A4
	const no = http.StatusUnauthorized
	form := "__Host-session=" + good + "&session=" + good + "&token=" + good
	part := "--x\r\nContent-Disposition: form-data; name=__Host-session\r\n\r\n" + good + "\r\n--x--\r\n"
	all := map[string]hostile{
		"in the query":           {ask("GET /?" + form + " HTTP/1.1"), no, 0, keptCookie},
		"in the path":            {ask("GET /" + good + ";__Host-session=" + good + " HTTP/1.1"), no, 0, keptCookie},
		"in an absolute target":  {ask("GET http://" + good + "@example.com/ HTTP/1.1"), no, 0, keptCookie},
		"in a form":              {post("application/x-www-form-urlencoded", form), no, 0, keptCookie},
		"in a multipart form":    {post("multipart/form-data; boundary=x", part), no, 0, keptCookie},
		"in JSON":                {post("application/json", `{"__Host-session":"`+good+`"}`), no, 0, keptCookie},
		"as a bearer token":      {get("Authorization: Bearer " + good), no, 0, keptCookie},
		"as a user and password": {get("Authorization: Basic " + good), no, 0, keptCookie},
	}
	for _, name := range []string{"Set-Cookie", "Cookie2", "X-Cookie", "X-Session", "X-Auth-Token", "Referer", "Proxy-Authorization", "Cookie-"} {
		all["in the header "+name] = hostile{get(name + ": __Host-session=" + good), no, 0, keptCookie}
	}
	return all
}

func TestSocketAnswersHostileRequests(t *testing.T) { // S7, S9, S10, A3, A4, A14, A29
	f := setUp(t, sessile.Config{MaxSessionsPerUser: sessile.NoSessionLimit}, middleware.Options{})
	w := f.listen(func(w http.ResponseWriter, r *http.Request, h *middleware.Handle) {
		if r.URL.Path == "/login" {
			f.must(h.Authenticate(r.Context(), "mallory"))
		}
		whoever(w, r, h)
	})
	good := f.login("alice").cookie
	for _, table := range []map[string]hostile{hostileCookies(good), tokenElsewhere(good)} {
		for name, tt := range table {
			t.Run(name, func(t *testing.T) { w.expect(t, tt) })
		}
	}
	f.want((&browser{f: f, cookie: good}).user(), "alice")
}

// expect sends one hostile request.
func (w *wire) expect(t *testing.T, tt hostile) {
	t.Helper()
	lookups, bytes := w.lookups(), allocated()
	method, _, _ := strings.Cut(tt.request, " ")
	resp := w.say(tt.request, method)[0]
	bytes, lookups = allocated()-bytes, w.lookups()-lookups
	if resp.StatusCode != tt.status {
		t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
	}
	if lookups != tt.lookups {
		t.Errorf("%d lookups, want %d", lookups, tt.lookups)
	}
	if got := golden(t, resp); got != tt.cookie {
		t.Errorf("Set-Cookie is %q, want %q", got, tt.cookie)
	}
	if most := mostAllocated(tt.request); bytes > most {
		t.Errorf("%d bytes were allocated for a request of %d, more than %d", bytes, len(tt.request), most)
	}
	echo, _ := io.ReadAll(resp.Body)
	if tt.status != http.StatusOK && strings.Contains(fmt.Sprint(resp.Header, string(echo)), "AQAA") {
		t.Error("the answer repeats the token")
	}
}

func TestSocketAnswersHostileBearers(t *testing.T) { // S9, S7, A14
	f := setUp(t, sessile.Config{}, middleware.Options{Bearer: true})
	w := f.listen(whoever)
	good := f.login("alice").cookie
	const no, yes = http.StatusUnauthorized, http.StatusOK
	for name, tt := range map[string]hostile{
		"good":                          {get("Authorization: Bearer " + good), yes, 1, keptCookie},
		"any case, many spaces":         {get("authorization: bEARER     " + good), yes, 1, keptCookie},
		"unknown, in front of a cookie": {get("Authorization: Bearer "+forged(1), cookies(good)), no, 1, keptCookie},
		"malformed, the cookie as well": {get("Authorization: Bearer x", cookies("x")), no, 0, keptCookie},
		"a megabyte":                    {get("Authorization: Bearer " + good + strings.Repeat("A", 1<<20-300)), no, 0, keptCookie},
		"a list of tokens":              {get("Authorization: Bearer " + good + ", Bearer " + good), no, 0, keptCookie},
		"3,000 lines":                   {get(strings.TrimSuffix(repeat(3000, func(i int) string { return "Authorization: Bearer " + forged(i) + "\r\n" }), "\r\n")), no, 1, keptCookie},
		"no token, and a cookie":        {get("Authorization: Bearer", cookies(good)), no, 0, keptCookie},
		"a space, and a cookie":         {get("Authorization: Bearer ", cookies(good)), no, 0, keptCookie},
		"a tab, and a cookie":           {get("Authorization: Bearer\t"+good, cookies(good)), no, 0, keptCookie},
		"a comma, and a cookie":         {get("Authorization: bearer,"+good, cookies(good)), no, 0, keptCookie},
		"quotes, and a cookie":          {get("Authorization: Bearer\""+good+"\"", cookies(good)), no, 0, keptCookie},
		"on the second line, a cookie":  {get("Authorization: Basic "+good, "Authorization: Bearer "+good, cookies(good)), no, 0, keptCookie},
		"no line at all, and a cookie":  {get("Authorization:", cookies(good)), yes, 1, keptCookie},
		"a longer scheme, and a cookie": {get("Authorization: Bearer-2 "+good, cookies(good)), yes, 1, keptCookie},
		"another scheme":                {get("Authorization: Basic "+good, "Authorization: Bearer "+good), no, 0, keptCookie},
		"another scheme, and a cookie":  {get("Authorization: Basic "+good, cookies(good)), yes, 1, keptCookie},
		"bytes that are no UTF-8":       {get("Authorization: Bearer " + strings.Repeat("\xff", 47)), no, 0, keptCookie},
		"NUL":                           {get("Authorization: Bearer \x00" + good), http.StatusBadRequest, 0, keptCookie},
	} {
		t.Run(name, func(t *testing.T) { w.expect(t, tt) })
	}
}

func TestSocketDoesNotMixPipelinedRequests(t *testing.T) { // A26
	f := setUp(t, sessile.Config{}, middleware.Options{})
	w := f.listen(whoever)
	alice, bob := cookies(f.login("alice").cookie), cookies(f.login("bob").cookie)
	line := func(header string) string { return "GET / HTTP/1.1\r\nHost: example.com\r\n" + header + "\r\n\r\n" }
	order := []struct{ request, user, cookie string }{
		{line(alice), "alice", keptCookie}, {line("X-None: 1"), "", keptCookie}, {line(bob), "bob", keptCookie},
		{line(cookies(forged(1))), "", removedCookie}, {line(alice), "alice", keptCookie},
	}
	var raw string
	var methods []string
	for range 20 {
		for _, o := range order {
			raw, methods = raw+o.request, append(methods, http.MethodGet)
		}
	}
	for i, resp := range w.say(raw, methods...) {
		body, err := io.ReadAll(resp.Body)
		f.must(err)
		f.want(string(body), order[i%len(order)].user)
		f.want(golden(t, resp), order[i%len(order)].cookie)
	}
}
