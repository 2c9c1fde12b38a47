package sessile_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/bits"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sessile/sessile"
)

func someToken(tb testing.TB) sessile.Token {
	tb.Helper()
	tok, err := sessile.NewToken(nil, 0xabcd, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

func TestTokenHasTheFormOfVersion1(t *testing.T) { // S1
	entropy := bytes.Repeat([]byte{0x5a}, 32)
	tok, err := sessile.NewToken(nil, 0xabcd, bytes.NewReader(entropy))
	if err != nil {
		t.Fatal(err)
	}
	raw := append([]byte{1, 0xab, 0xcd}, entropy...)
	raw = append(raw, sessile.RawOf(tok)[35:]...) // the seal
	if !bytes.Equal(sessile.RawOf(tok), raw) {
		t.Errorf("bytes are %x, want %x", sessile.RawOf(tok), raw)
	}
	text := tok.Reveal()
	if text != base64.RawURLEncoding.EncodeToString(raw) || !regexp.MustCompile(`^[A-Za-z0-9_-]{52}$`).MatchString(text) {
		t.Errorf("text is %q", text)
	}
	if back, err := sessile.ParseToken(text); err != nil || !back.Equal(tok) {
		t.Errorf("the text does not come back: %v", err)
	}
	if sessile.HashOf(tok) != sha256.Sum256(raw) { // S4
		t.Error("the hash is not the SHA-256 of all 39 bytes")
	}
	if sessile.TagOf(tok) != 0xabcd || tok.IsZero() || !(sessile.Token{}).IsZero() {
		t.Errorf("tag %x, zero %t", sessile.TagOf(tok), tok.IsZero())
	}
}

func TestTokenHas256BitsOfRandomness(t *testing.T) { // S1, S3, A6
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	seen := make(map[[39]byte]struct{}, n)
	var ones [32 * 8]int
	for range n { // all of one user
		raw := [39]byte(sessile.RawOf(someToken(t)))
		if _, twice := seen[raw]; twice {
			t.Fatal("a token came twice")
		}
		seen[raw] = struct{}{}
		for i, b := range raw[3:35] {
			for ; b != 0; b &= b - 1 {
				ones[i*8+bits.TrailingZeros8(b)]++
			}
		}
	}
	// Every bit must be a fair coin: 7 standard deviations are √n·3.5.
	for i, c := range ones {
		if d := float64(c) - float64(n)/2; d*d > 3.5*3.5*float64(n) {
			t.Errorf("bit %d is set in %d of %d tokens", i, c, n)
		}
	}
}

func TestTokenIsRefusedWithoutEntropy(t *testing.T) { // S2, A5
	for name, r := range map[string]io.Reader{
		"error":       iotest.ErrReader(errors.New("no entropy")),
		"end":         strings.NewReader(""),
		"short":       strings.NewReader(strings.Repeat("x", 31)),
		"late error":  io.MultiReader(strings.NewReader("xxxxxxxx"), iotest.ErrReader(errors.New("no entropy"))),
		"silent stop": iotest.TimeoutReader(iotest.OneByteReader(rand.Reader)),
	} {
		if tok, err := sessile.NewToken(nil, 1, r); err == nil || !tok.IsZero() {
			t.Errorf("%s: zero %t, %v", name, tok.IsZero(), err)
		}
		if _, err := sessile.RandomTag(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
			t.Errorf("%s: a tag without entropy", name)
		}
	}
	if tok, err := sessile.NewToken(nil, 1, iotest.OneByteReader(rand.Reader)); err != nil || tok.IsZero() {
		t.Errorf("entropy in small pieces is entropy: %v", err)
	}
}

func TestParseTokenRefusesEveryOtherText(t *testing.T) { // S5, S7, A29
	valid := someToken(t).Reveal()
	with := func(i int, s string) string { return valid[:i] + s + valid[i+1:] }
	raw := sessile.RawOf(someToken(t))
	version2 := base64.RawURLEncoding.EncodeToString(append([]byte{2}, raw[1:]...))
	for name, s := range map[string]string{
		"empty": "", "short": valid[:51], "long": valid + "A", "padded": valid + "=", "double": valid + valid,
		"line break at the end": valid[:51] + "\n", "carriage return": with(5, "\r"), "line break after": valid + "\n",
		"line break and all characters": valid[:20] + "\n" + valid[20:], "space": with(7, " "), "quotes": `"` + valid[:50] + `"`,
		"standard alphabet +": with(8, "+"), "standard alphabet /": with(8, "/"), "NUL": with(51, "\x00"),
		"not ASCII": valid[:50] + "é", "no UTF-8": with(9, "\xff"), "path": "../../../../../../../../../../../../../etc/pass",
		"4 KiB": strings.Repeat("A", 4096), "1 MiB": strings.Repeat(valid, 22_000), "redacted": "****",
		"version 2": version2, "version 0": strings.Repeat("A", 52), "another version": with(0, "B"),
	} {
		if tok, err := sessile.ParseToken(s); !errors.Is(err, sessile.ErrInvalidToken) || !tok.IsZero() {
			t.Errorf("%s: zero %t, %v", name, tok.IsZero(), err)
		}
	}
}

func TestTokenHasOneText(t *testing.T) { // every character counts, the last one too
	valid := someToken(t).Reveal()
	for i := range valid {
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			text := valid[:i] + string(c) + valid[i+1:]
			if tok, err := sessile.ParseToken(text); err == nil && tok.Reveal() != text {
				t.Fatalf("%q is another text of a token", text)
			}
		}
	}
}

func TestTokenIsRecognizedByTheStoreThatMadeIt(t *testing.T) { // R23: what a client makes up costs no I/O
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	tok, err := sessile.NewToken(key, 7, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if !sessile.MadeWith(key, tok) || sessile.MadeWith(other, tok) || sessile.MadeWith(key, sessile.Token{}) {
		t.Error("the seal is not that of the key")
	}
	raw := sessile.RawOf(tok)
	for bit := 8; bit < len(raw)*8; bit++ { // the first byte is the version
		raw[bit/8] ^= 1 << (bit % 8)
		changed, err := sessile.ParseToken(base64.RawURLEncoding.EncodeToString(raw))
		if err != nil {
			t.Fatal(err)
		}
		if sessile.MadeWith(key, changed) {
			t.Errorf("bit %d is not sealed", bit)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestTokenIsNotReadFromItsPrintedForm(t *testing.T) {
	tok := someToken(t)
	kept := tok
	raw, err := json.Marshal(tok)
	if err != nil || json.Unmarshal(raw, &kept) == nil || !kept.Equal(tok) { //nolint:staticcheck // that it cannot be decoded is the point
		t.Errorf("%s, %v", raw, err)
	}
}

func TestTokenHashDoesNotAllocate(t *testing.T) {
	tok := someToken(t)
	hash := sessile.HashOf(tok)
	if n := testing.AllocsPerRun(200, func() {
		if sessile.HashOf(tok) != hash {
			t.Error("another hash")
		}
	}); n != 0 {
		t.Errorf("hash allocates %v times", n)
	}
	text := tok.Reveal()
	if n := testing.AllocsPerRun(200, func() {
		if back, err := sessile.ParseToken(text); err != nil || back.IsZero() {
			t.Error("no token")
		}
	}); n > 1 {
		t.Errorf("ParseToken allocates %v times", n)
	}
	bad := text[:51] + "\n"
	if n := testing.AllocsPerRun(200, func() { _, _ = sessile.ParseToken(bad) }); n != 0 { // A9, S8
		t.Errorf("refusing a token allocates %v times", n)
	}
}

func TestTokenEqualityIsByItsBytes(t *testing.T) {
	tok, other := someToken(t), someToken(t)
	same, err := sessile.ParseToken(tok.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	zero := sessile.Token{}
	for _, c := range []struct {
		a, b sessile.Token
		want bool
	}{{tok, same, true}, {tok, other, false}, {zero, zero, true}, {tok, zero, false}, {zero, tok, false}} {
		if c.a.Equal(c.b) != c.want {
			t.Errorf("%s and %s: equal is %t", c.a.Reveal(), c.b.Reveal(), !c.want)
		}
	}
}

func TestTokenZeroHasAHashThatNobodyCanSend(t *testing.T) {
	zero := sessile.Token{}
	if sessile.HashOf(zero) != sha256.Sum256(make([]byte, 39)) || sessile.TagOf(zero) != 0 {
		t.Errorf("hash %x, tag %x", sessile.HashOf(zero), sessile.TagOf(zero))
	}
	if _, err := sessile.ParseToken(zero.Reveal()); err == nil {
		t.Error("the zero token can be sent")
	}
}

func TestRoutingTagIsAnHMAC(t *testing.T) {
	// RFC 4231, test case 2.
	if got := sessile.RoutingTag([]byte("Jefe"), "what do ya want for nothing?"); got != 0x5bdc {
		t.Errorf("tag is %x, want 5bdc", got)
	}
	if sessile.RoutingTag([]byte("a"), "ann") == sessile.RoutingTag([]byte("b"), "ann") {
		t.Error("the store's key does not count")
	}
}

func FuzzParseToken(f *testing.F) { // S7
	f.Add("AavNWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo")
	f.Add("AavNWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlp")
	f.Add("AavNWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl\n")
	f.Add("'; DROP TABLE session; --")
	f.Add("../../../../../../../../../../../../../etc/pass")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := sessile.ParseToken(s)
		if err == nil {
			if tok.Reveal() != s || tok.IsZero() || sessile.RawOf(tok)[0] != 1 {
				t.Fatalf("%q came back as %q", s, tok.Reveal())
			}
			return
		}
		if err != sessile.ErrInvalidToken || !tok.IsZero() { //nolint:errorlint // the very variable: nothing of s is in it
			t.Fatalf("%q gave zero %t, %v", s, tok.IsZero(), err)
		}
	})
}

func BenchmarkTokenParseAndHash(b *testing.B) {
	text := someToken(b).Reveal()
	b.ReportAllocs()
	for b.Loop() {
		tok, err := sessile.ParseToken(text)
		if err != nil {
			b.Fatal(err)
		}
		sessile.HashOf(tok)
	}
}

func TestTokenThatIsZeroRevealsNothing(t *testing.T) {
	if text := (sessile.Token{}).Reveal(); text != "" {
		t.Errorf("%q", text)
	}
}
