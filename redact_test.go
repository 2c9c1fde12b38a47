package sessile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// A secret of a session, and the forms in which it could be printed: the bytes with every verb,
// base64, and plain text.
type secret struct{ needles []string }

func secretOf(raw []byte, texts ...string) secret {
	s := secret{append(slices.Clone(texts), base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw)[:12])}
	add := func(printed string) {
		if _, inside, ok := strings.Cut(printed, "{"); ok { // %#v
			printed = inside
		}
		if printed = strings.Trim(printed, "[]{}\"'`"); len(printed) >= 8 {
			s.needles = append(s.needles, printed)
		}
	}
	for at := 4; at <= 20; at += 4 { // some, since UTF-8 may be cut at the edges of one
		window := [8]byte(raw[at:])
		for _, verb := range verbs() {
			add(fmt.Sprintf(verb, window))
			add(fmt.Sprintf(verb, window[:]))
		}
		add(strings.ReplaceAll(fmt.Sprint(window), " ", ",")) // JSON
	}
	slices.Sort(s.needles)
	s.needles = slices.Compact(s.needles)
	return s
}

func (s secret) in(output string) bool {
	return slices.ContainsFunc(s.needles, func(n string) bool { return strings.Contains(output, n) })
}

// verbs are all verbs of fmt and some others, with every flag. %T prints a type and %p asks no
// method, so they are left out.
func verbs() []string {
	var all []string
	for c := 'A'; c <= 'z'; c++ {
		if c > 'Z' && c < 'a' || c == 'T' || c == 'p' {
			continue
		}
		for _, flags := range []string{"", "+", "#", " ", "+#", "# ", "-200.100"} {
			all = append(all, "%"+flags+string(c))
		}
	}
	return append(all, "%!", "%[1]v%[1]d", "no verb at all")
}

// ways are all ways in which a value may get into a log or a response.
func ways() map[string]func(v any) string {
	all := map[string]func(v any) string{
		"fmt.Sprint":   func(v any) string { return fmt.Sprint(v) },
		"fmt.Sprintln": func(v any) string { return fmt.Sprintln("x", v) },
		"error":        func(v any) string { return fmt.Errorf("x: %v", v).Error() },
		"joined error": func(v any) string { return errors.Join(fmt.Errorf("%+v", v), errors.New("x")).Error() },
		"panic value": func(v any) (out string) {
			defer func() { out = fmt.Sprint(recover()) }()
			panic(v)
		},
		"log": func(v any) string {
			var b bytes.Buffer
			log.New(&b, "", 0).Println(v)
			return b.String()
		},
		"text/template": func(v any) string {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse(`{{.}} {{printf "%#v" .}} {{print .}} {{html .}}`)).Execute(&b, v)
			return b.String() + fmt.Sprint(err)
		},
	}
	for _, verb := range verbs() {
		all["fmt "+verb] = func(v any) string { return fmt.Sprintf(verb, v) }
	}
	maps.Copy(all, slogWays())
	maps.Copy(all, zapWays())
	maps.Copy(all, encodingWays())
	return all
}

// encodingWays are the ways by which a type may show its content on purpose.
func encodingWays() map[string]func(v any) string {
	return map[string]func(v any) string{
		"encoding/json": func(v any) string { b, err := json.Marshal(v); return string(b) + fmt.Sprint(err) },
		"json indented": func(v any) string { b, err := json.MarshalIndent(v, "", " "); return string(b) + fmt.Sprint(err) },
		"encoding/xml":  func(v any) string { b, err := xml.Marshal(v); return string(b) + fmt.Sprint(err) },
		"zap.Reflect":   func(v any) string { return zapLine(func(l *zap.Logger) { l.Info("x", zap.Reflect("v", v)) }) },
	}
}

func slogWays() map[string]func(v any) string {
	line := func(text bool, do func(l *slog.Logger)) string {
		var b bytes.Buffer
		opts := &slog.HandlerOptions{Level: slog.LevelDebug}
		if text {
			do(slog.New(slog.NewTextHandler(&b, opts)))
		} else {
			do(slog.New(slog.NewJSONHandler(&b, opts)))
		}
		return b.String()
	}
	all := map[string]func(v any) string{}
	for name, text := range map[string]bool{"text": true, "JSON": false} {
		all["slog "+name] = func(v any) string { return line(text, func(l *slog.Logger) { l.Info("x", "v", v) }) }
		all["slog any "+name] = func(v any) string { return line(text, func(l *slog.Logger) { l.Debug("x", slog.Any("v", v)) }) }
		all["slog group "+name] = func(v any) string {
			return line(text, func(l *slog.Logger) { l.WithGroup("g").With("v", v).Error("x", slog.Group("h", "v", v)) })
		}
		all["slog no key "+name] = func(v any) string { return line(text, func(l *slog.Logger) { l.Info("x", v) }) }
	}
	return all
}

// marshaler is a zapcore.ObjectMarshaler around anything.
type marshaler struct{ v any }

func (o marshaler) MarshalLogObject(e zapcore.ObjectEncoder) error {
	zap.Any("any", o.v).AddTo(e)
	return nil
}

func zapLine(do func(l *zap.Logger)) string {
	var b bytes.Buffer
	out := zapcore.AddSync(&b)
	cfg := zap.NewDevelopmentEncoderConfig()
	do(zap.New(zapcore.NewTee(
		zapcore.NewCore(zapcore.NewJSONEncoder(cfg), out, zap.DebugLevel),
		zapcore.NewCore(zapcore.NewConsoleEncoder(cfg), out, zap.DebugLevel))))
	return b.String()
}

func zapWays() map[string]func(v any) string {
	with := func(f func(v any) zap.Field) func(v any) string {
		return func(v any) string { return zapLine(func(l *zap.Logger) { l.Info("x", f(v)) }) }
	}
	sugared := func(f func(l *zap.SugaredLogger, v any)) func(v any) string {
		return func(v any) string { return zapLine(func(l *zap.Logger) { f(l.Sugar(), v) }) }
	}
	return map[string]func(v any) string{
		"zap.Any":    with(func(v any) zap.Field { return zap.Any("v", v) }),
		"zap.Object": with(func(v any) zap.Field { return zap.Object("v", marshaler{v}) }),
		"zap.Inline": with(func(v any) zap.Field { return zap.Inline(marshaler{v}) }),
		"zap.Dict":   with(func(v any) zap.Field { return zap.Dict("d", zap.Any("v", v)) }),
		"zap.Error":  with(func(v any) zap.Field { return zap.Error(fmt.Errorf("x: %v", v)) }),
		"zap.Stringer": with(func(v any) zap.Field {
			if s, ok := v.(fmt.Stringer); ok {
				return zap.Stringer("v", s)
			}
			return zap.Any("v", v)
		}),
		"zap own object": with(func(v any) zap.Field {
			if o, ok := v.(zapcore.ObjectMarshaler); ok {
				return zap.Inline(o)
			}
			return zap.Any("v", v)
		}),
		"zap.With":       func(v any) string { return zapLine(func(l *zap.Logger) { l.With(zap.Any("v", v)).Warn("x") }) },
		"sugared Info":   sugared(func(l *zap.SugaredLogger, v any) { l.Info("x", v) }),
		"sugared Infof":  sugared(func(l *zap.SugaredLogger, v any) { l.Infof("%v %+v %#v %d", v, v, v, v) }),
		"sugared Infow":  sugared(func(l *zap.SugaredLogger, v any) { l.Infow("x", "v", v) }),
		"sugared Infoln": sugared(func(l *zap.SugaredLogger, v any) { l.Infoln("x", v) }),
		"sugared no key": sugared(func(l *zap.SugaredLogger, v any) { l.Infow("x", v) }),
		"sugared With":   sugared(func(l *zap.SugaredLogger, v any) { l.With("v", v).Error("x") }),
	}
}

// shapes are the places in which a value can hide.
func shapes[T any](v T) map[string]any {
	type holder struct {
		Name string
		V    T
	}
	type deep struct {
		H  *holder
		Vs []T
		M  map[string]*T
		A  any
	}
	h := holder{"x", v}
	p := &v
	return map[string]any{
		"itself": v, "pointer": p, "pointer to pointer": &p, "any": any(v),
		"slice": []T{v, v}, "array": [1]T{v}, "slice of pointers": []*T{p}, "slice of any": []any{v, p},
		"map": map[string]T{"x": v}, "map of any": map[string]any{"x": v, "y": p},
		"struct": h, "pointer to struct": &h, "slice of structs": []holder{h}, "map of structs": map[int]holder{1: h},
		"deep": deep{&h, []T{v}, map[string]*T{"x": p}, h}, "anonymous": struct{ V any }{h},
	}
}

// leaks returns the ways and shapes that show the secret, except those to skip.
func leaks[T any](v T, s secret, skip func(way, shape string) bool) map[string]string {
	found := map[string]string{}
	for shape, x := range shapes(v) {
		for name, way := range ways() {
			if skip != nil && skip(name, shape) {
				continue
			}
			if out := way(x); s.in(out) {
				found[name+" of "+shape] = out
			}
		}
	}
	return found
}

func expectNone(t *testing.T, found map[string]string) {
	t.Helper()
	for _, where := range slices.Sorted(maps.Keys(found)) {
		t.Errorf("%s: %.200s", where, found[where])
	}
}

func tokenSecret(tok sessile.Token) secret {
	text := tok.Reveal()
	return secretOf(sessile.RawOf(tok), text, text[20:40])
}

const marker = "Marker-e2b7c0ffee-of-secret-data"

// hiddenToken is always the same, so that every run prints the same bytes.
func hiddenToken(tb testing.TB) sessile.Token {
	tb.Helper()
	entropy := sha256.Sum256([]byte(marker))
	tok, err := sessile.NewToken(nil, 0xabcd, bytes.NewReader(entropy[:]))
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

func markerSecret() secret { return secretOf([]byte(marker), marker, marker[7:17]) }

func someSession(tb testing.TB) sessile.Session {
	tb.Helper()
	data, err := sessile.EncodeData(map[string]any{marker[:20]: marker, "n": 1}, 1000)
	if err != nil {
		tb.Fatal(err)
	}
	at := someTime.UnixMicro()
	return sessile.SessionOf(persist.Record{
		Identity: &persist.Identity{
			ID: persist.ID(someID(tb)), UserID: "ann", Fingerprint: marker,
			CreatedAt: at, Deadline: persist.NoDeadline, TTL: time.Hour.Microseconds(),
		},
		LastActive: at, ExpiresAt: at,
	}, data)
}

func TestTokenNeverShows(t *testing.T) { // S4, S49, A12
	tok := hiddenToken(t)
	expectNone(t, leaks(tok, tokenSecret(tok), nil))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%-9.2t", "%z"} {
		if out := fmt.Sprintf(verb, tok); out != "****" {
			t.Errorf("%s prints %q", verb, out)
		}
	}
	for name, way := range ways() {
		if strings.HasSuffix(name, "w") && strings.HasPrefix(name, "fmt %") {
			continue // calls no method: an address
		}
		if out := way(tok); !strings.Contains(out, "****") {
			t.Errorf("%s does not tell that something is hidden: %s", name, out)
		}
	}
}

// TestSessionNeverShowsDataOrFingerprint includes %w, %p and nested pointers, where fmt calls no
// method.
func TestSessionNeverShowsDataOrFingerprint(t *testing.T) { // S49
	s := someSession(t)
	expectNone(t, leaks(s, markerSecret(), nil))
	expectNone(t, leaks(struct{ S *sessile.Session }{&s}, markerSecret(), nil))
	for name, out := range map[string]string{
		"fmt": fmt.Sprintf("%+v", s), "slog": slogWays()["slog JSON"](s), "zap": zapWays()["zap.Any"](s),
	} {
		if !strings.Contains(out, s.ID().String()) {
			t.Errorf("%s does not tell which session: %s", name, out)
		}
	}
}

// TestSessionInAnUnexportedFieldDoesNotShowItsData checks every verb for the data. It checks the
// fingerprint for the verbs that pointers have, because with other verbs fmt follows the pointer.
func TestSessionInAnUnexportedFieldDoesNotShowItsData(t *testing.T) { // S49
	type holder struct{ s sessile.Session }
	s := someSession(t)
	expectNone(t, leaks(holder{with(s.Data())}, markerSecret(), nil))
	expectNone(t, leaks(holder{s}, markerSecret(), func(way, _ string) bool {
		verb, isVerb := strings.CutPrefix(way, "fmt %")
		return isVerb && !strings.ContainsAny(verb[len(verb)-1:], "vbodxX")
	}))
}

func TestDataAndChangesShowTheirSizeOnly(t *testing.T) { // S49
	d := someSession(t).Data()
	// Data encodes to JSON on purpose. A logger that finds no method on a slice or a struct encodes it
	// by reflection, and so writes the JSON. Log sessions instead of their data.
	asks := slices.Collect(maps.Keys(encodingWays()))
	expectNone(t, leaks(d, markerSecret(), func(way, shape string) bool {
		reflects := strings.HasPrefix(way, "zap") || strings.HasPrefix(way, "sugared") || strings.HasPrefix(way, "slog")
		return slices.Contains(asks, way) || reflects && shape != "itself" && shape != "any" && shape != "pointer"
	}))
	c := new(sessile.Changes).Set(marker, marker).Delete(marker + "2")
	expectNone(t, leaks(c, markerSecret(), nil))
	expectNone(t, leaks(*c, markerSecret(), nil))
	if out := fmt.Sprint(d, " ", c); out != fmt.Sprintf("Data(%d bytes) Changes(2 keys)", d.Len()) {
		t.Error(out)
	}
}

// bare and the following types are negative controls: they show that every way and every shape
// would be found.
type (
	bare         struct{ Raw [35]byte }
	bareText     struct{ Text string }
	bareStringer struct{ Text string }
)

func (b bareStringer) String() string { return b.Text }

func (b bareStringer) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("text", b.Text)
	return nil
}

func TestRedactNoticesATypeThatIsNotRedacted(t *testing.T) {
	tok := hiddenToken(t)
	s := tokenSecret(tok)
	found := leaks(bare{[35]byte(sessile.RawOf(tok))}, s, nil)
	maps.Copy(found, leaks(bareText{tok.Reveal()}, s, nil))
	maps.Copy(found, leaks(bareStringer{tok.Reveal()}, s, nil))
	for name := range ways() {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(k string) bool { return strings.HasPrefix(k, name+" of ") }) {
			t.Errorf("nothing would be found in: %s", name)
		}
	}
	for shape := range shapes(0) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(k string) bool { return strings.HasSuffix(k, " of "+shape) }) {
			t.Errorf("nothing would be found in: %s", shape)
		}
	}
	for _, way := range []string{"fmt %d", "fmt %x", "fmt %v", "fmt %#v", "fmt %q", "encoding/json", "zap.Any", "slog text"} {
		if !s.in(ways()[way](bare{[35]byte(sessile.RawOf(tok))})) {
			t.Errorf("the bytes would not be found in: %s", way)
		}
	}
}

// Where fmt calls no method, a token prints as an address. go vet reports %p.
func TestTokenDoesNotShowWhereFmtAsksNobody(t *testing.T) {
	tok := hiddenToken(t)
	hidden := tokenSecret(tok)
	type holder struct {
		tok  sessile.Token
		toks []sessile.Token
		ptr  *sessile.Token
		next *holder
	}
	h := holder{tok, []sessile.Token{tok}, &tok, nil}
	h.next = &holder{tok: tok}
	for _, x := range []any{h, &h, []*holder{&h}, map[string]holder{"x": h}, struct{ h *holder }{&h}, struct{ sessile.Token }{tok}, tok, &tok} {
		for _, verb := range append(verbs(), "%p", "%+p", "%#p") {
			if out := fmt.Sprintf(verb, x); hidden.in(out) {
				t.Errorf("%s of %T: %.200s", verb, x, out)
			}
		}
	}
	// The negative control: without the function, fmt prints the bytes, also behind a pointer.
	type bareHolder struct {
		raw [35]byte
		ptr *[35]byte
	}
	raw := [35]byte(sessile.RawOf(tok))
	if out := fmt.Sprintf("%v", bareHolder{raw: raw}); !hidden.in(out) {
		t.Errorf("nothing would be found in %s", out)
	}
	if out := ways()["fmt %s"](bareHolder{ptr: &raw}); !hidden.in(out) {
		t.Errorf("nothing would be found in %s", out)
	}
}

// Where fmt calls no method, Data prints as an address, and Changes print addresses.
func TestDataAndChangesDoNotShowInAnUnexportedField(t *testing.T) { // S49
	d, c := someSession(t).Data(), new(sessile.Changes).Set("k", marker)
	type dataHolder struct{ d sessile.Data }
	type changesHolder struct {
		c sessile.Changes
		p *sessile.Changes
	}
	expectNone(t, leaks(dataHolder{d}, markerSecret(), nil))
	expectNone(t, leaks(changesHolder{*c, c}, markerSecret(), nil))
}

// TestStoreShowsNoKey tries every verb, also where fmt calls no method: its keys make tokens.
func TestStoreShowsNoKey(t *testing.T) {
	backend := persisttest.NewMemory()
	key := backend.Traits().StoreKey
	store, err := sessile.New(backend, sessile.Config{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	hidden := secretOf(key)
	hidden.needles = append(hidden.needles, secretOf(sessile.SealKeyOf(key)).needles...)
	type holder struct{ s *sessile.Store }
	for _, x := range []any{store, []*sessile.Store{store}, holder{store}, struct{ S *sessile.Store }{store}} {
		for name, way := range ways() {
			if out := way(x); hidden.in(out) {
				t.Errorf("%s of %T: %.300s", name, x, out)
			}
		}
	}
	if out := fmt.Sprintf("%v %+v %#v", store, store, store); out != "session store session store session store" {
		t.Error(out)
	}
}
