package stress

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sessile/sessile"
)

var samples = flag.Int("stress.timing", 20_000, "refused tokens that are timed")

// difference is how much longer the second of two kinds takes, with Welch's t. Beyond 4.5, a difference is
// detectable (dudect).
type difference struct{ ns, t float64 }

func (d difference) String() string { return fmt.Sprintf("%.1f ns (t %.1f)", d.ns, d.t) }

// leak times two kinds of refused tokens in random order. It drops the slowest tenth as noise.
func leak(n int, read func(sessile.Token), kinds [2][]sessile.Token) difference {
	var times [2][]float64
	for range n {
		k := mathrand.IntN(2)
		token := kinds[k][mathrand.IntN(len(kinds[k]))]
		began := time.Now()
		read(token)
		times[k] = append(times[k], float64(time.Since(began)))
	}
	all := slices.Sorted(slices.Values(slices.Concat(times[0], times[1])))
	limit := all[len(all)*9/10]
	m0, v0 := moments(times[0], limit)
	m1, v1 := moments(times[1], limit)
	return difference{m1 - m0, (m1 - m0) / math.Sqrt(v0+v1)}
}

// moments returns the mean, and its variance, of the times within the limit.
func moments(times []float64, limit float64) (mean, variance float64) {
	n, sum, squares := 0.0, 0.0, 0.0
	for _, x := range times {
		if x <= limit {
			n, sum, squares = n+1, sum+x, squares+x*x
		}
	}
	mean = sum / n
	return mean, (squares/n - mean*mean) / n
}

// made returns tokens with given first characters, whose hash begins as requested.
func made(t *testing.T, head string, hash []byte) (list []sessile.Token) {
	t.Helper()
	for len(list) < 30 {
		raw := make([]byte, 39)
		_, _ = rand.Read(raw)
		text := head + base64.RawURLEncoding.EncodeToString(raw)[len(head):]
		b, err := base64.RawURLEncoding.DecodeString(text)
		if sum := sha256.Sum256(b); err != nil || string(sum[:len(hash)]) != string(hash) {
			continue
		}
		token, err := sessile.ParseToken(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, token)
	}
	return list
}

// The time of a refusal does not depend on what a token has in common with a valid one. If its hash begins like
// that of a valid one, it takes nanoseconds longer, because that bucket of the index is used. That reveals
// nothing about a token, which is why tokens are looked up by their hashes. Machines are noisy, so the figures
// are reported, not judged.
func TestStressRefusalsTakeTheSameTime(t *testing.T) { // A7, R21, S5
	store, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, token, err := store.Create(t.Context(), sessile.Meta{}, "ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	good := token.Reveal()
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	read := func(x sessile.Token) {
		if _, err := store.ReadByToken(context.Background(), x); err == nil {
			t.Error("a made-up token is good")
		}
	}
	stranger, near, twin := made(t, good[:2], nil), made(t, good[:47], nil), made(t, good[:2], sum[:2])
	other := made(t, good[:2], nil)  // two kinds that are the same
	naive := func(x sessile.Token) { // negative control: compares the text until it differs
		text := x.Reveal()
		for i := 0; i < len(good) && good[i] == text[i]; i++ {
			_ = sha256.Sum256(raw[:1]) // a measurable step
		}
	}
	t.Logf("%d samples without the slowest tenth; first characters in common: %v, of the hash: %v, nothing: %v; a comparison that stops early: %v", *samples,
		leak(*samples, read, [2][]sessile.Token{stranger, near}), leak(*samples, read, [2][]sessile.Token{stranger, twin}), leak(*samples, read, [2][]sessile.Token{stranger, other}),
		leak(*samples, naive, [2][]sessile.Token{stranger, near}))
}
