package sessile_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sessile/sessile"
)

// someTime is when the sessions of these tests begin, in milliseconds.
var someTime = time.Date(2026, 5, 4, 3, 2, 1, 987e6, time.UTC)

// zeros is predictable entropy.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func someID(tb testing.TB) sessile.ID {
	tb.Helper()
	id, err := sessile.NewID(someTime, 0xabcd, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func TestIDKeepsItsTimeAndTag(t *testing.T) {
	id, err := sessile.NewID(someTime, 0xabcd, zeros{})
	if err != nil {
		t.Fatal(err)
	}
	if !id.Time().Equal(someTime) || id.Time().Location() != time.UTC {
		t.Errorf("time is %v, want %v", id.Time(), someTime)
	}
	if want := []byte{0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0}; !bytes.Equal(id[6:], want) {
		t.Errorf("entropy is %x, want the tag and then what was read: %x", id[6:], want)
	}
	if len(id.String()) != 26 || id.IsZero() || !(sessile.ID{}).IsZero() {
		t.Errorf("%s: length %d, zero %t", id, len(id.String()), id.IsZero())
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[sessile.ID]bool{}
	for range 10_000 { // all of one millisecond and one user
		id := someID(t)
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
	}
}

func TestIDIsRefusedWithoutEntropy(t *testing.T) { // S2, A5
	for name, r := range map[string]io.Reader{
		"error": iotest.ErrReader(errors.New("no entropy")), "end": strings.NewReader(""), "short": strings.NewReader("1234567"),
	} {
		if id, err := sessile.NewID(someTime, 1, r); err == nil || !id.IsZero() {
			t.Errorf("%s: %s, %v", name, id, err)
		}
	}
}

func TestIDIsRefusedOutsideItsRange(t *testing.T) {
	for _, at := range []time.Time{time.UnixMilli(-1), {}, time.UnixMilli(1 << 48)} {
		if id, err := sessile.NewID(at, 1, zeros{}); err == nil {
			t.Errorf("%v gave %s", at, id)
		}
	}
}

func TestIDsSortByTime(t *testing.T) {
	var ids, texts []string
	prev := sessile.ID{}
	for i := range 100 {
		id, err := sessile.NewID(someTime.Add(time.Duration(i)*time.Millisecond), 0, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if prev.Compare(id) != -1 || id.Compare(prev) != 1 || id.Compare(id) != 0 {
			t.Fatalf("%s is not after %s", id, prev)
		}
		ids, prev = append(ids, id.String()), id
	}
	texts = slices.Clone(ids)
	slices.Sort(texts)
	if !slices.Equal(ids, texts) {
		t.Error("the texts do not sort by time")
	}
}

func TestIDTravelsAsText(t *testing.T) {
	id := someID(t)
	raw, err := json.Marshal(map[sessile.ID]sessile.ID{id: id})
	if err != nil || string(raw) != `{"`+id.String()+`":"`+id.String()+`"}` {
		t.Fatalf("%s, %v", raw, err)
	}
	var back map[sessile.ID]sessile.ID
	if err := json.Unmarshal(raw, &back); err != nil || back[id] != id {
		t.Fatalf("%v, %v", back, err)
	}
	kept := id
	if err := kept.UnmarshalText([]byte("nonsense")); !errors.Is(err, sessile.ErrInvalidID) || kept != id {
		t.Errorf("%v; the id is %s, want it as it was: %s", err, kept, id)
	}
}

func TestParseIDRefusesWhatIsNoID(t *testing.T) { // S7
	valid := someID(t).String()
	for _, s := range []string{
		"", valid[:25], valid + "0", " " + valid[1:], valid[:25] + "\n", valid[:25] + "\x00", valid[:25] + "ü"[:1],
		"8" + valid[1:],                                // beyond 128 bits
		"U" + valid[1:], valid[:10] + "-" + valid[11:], // not of the alphabet
		strings.Repeat("é", 13), strings.Repeat("0", 5000), "../../etc/passwd0000000000", "' OR 1=1 --0000000000000000"[:26],
	} {
		if id, err := sessile.ParseID(s); !errors.Is(err, sessile.ErrInvalidID) || !id.IsZero() {
			t.Errorf("%.40q gave %s, %v", s, id, err)
		}
	}
}

func FuzzParseID(f *testing.F) { // S7
	f.Add("01JTBXQ3K3XK8Z6W2M4N5P7Q9R")
	f.Add("01jtbxq3k3xk8z6w2m4n5p7q9r")
	f.Add("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
	f.Add("80000000000000000000000000")
	f.Add("../../../../../../etc/pass")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := sessile.ParseID(s)
		if err != nil {
			if !errors.Is(err, sessile.ErrInvalidID) || !id.IsZero() || strings.Contains(err.Error(), s) && len(s) > 2 {
				t.Fatalf("%q gave %s, %v", s, id, err)
			}
			return
		}
		// An ID has one canonical text, and parsing ignores case.
		if id.String() != strings.ToUpper(s) {
			t.Fatalf("%q came back as %s", s, id)
		}
		if again, err := sessile.ParseID(id.String()); err != nil || again != id {
			t.Fatalf("%s came back as %s, %v", id, again, err)
		}
	})
}

func TestIDThatIsZeroHasTheZeroTime(t *testing.T) {
	if at := (sessile.ID{}).Time(); !at.IsZero() {
		t.Error(at)
	}
}
