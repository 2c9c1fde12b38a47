package sessile_test

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// TestAFileThatIsTakenAwayIsNoticed: D27: what is written to a file that has no name
// any more is lost at the next start, so the store says within seconds that it
// cannot keep its promises.
func TestAFileThatIsTakenAwayIsNoticed(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.db")
			synctest.Test(t, func(t *testing.T) {
				s, err := sessile.Open(t.Context(), sessile.Config{Path: path})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				_, tok := login(t, s, "ann")
				if h := s.Health(); h.State != sessile.OK {
					t.Fatalf("%v, %s", h.State, h.Reason)
				}
				if err := take(path); err != nil {
					t.Fatal(err)
				}
				<-time.After(2 * time.Second)
				if h := s.Health(); h.State != sessile.Degraded || h.Reason == "" {
					t.Errorf("%v, %q", h.State, h.Reason)
				}
				_, _ = s.ReadByToken(t.Context(), tok) // an answer or an error, and no panic
			})
		})
	}
}

// TestTheDiskIsAskedForAHash: A7, S4: what is looked up is the SHA-256 of the token, so
// the time of a lookup tells nothing of how much of a guess was right.
func TestTheDiskIsAskedForAHash(t *testing.T) {
	s, g := openGated(t, sessile.Config{})
	_, tok := login(t, s, "ann")
	login(t, s, "bob") // memory holds one session
	raw, err := base64.RawURLEncoding.DecodeString(tok.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	g.record = func(r persist.Record) persist.Record {
		asked++
		if r.Hash != sha256.Sum256(raw) {
			t.Error("the row's key is not the token's hash")
		}
		return r
	}
	if _, err := s.ReadByToken(t.Context(), tok); err != nil || asked != 1 {
		t.Fatalf("%d rows were read, %v", asked, err)
	}
}
