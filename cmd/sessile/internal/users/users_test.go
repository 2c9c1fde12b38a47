package users

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const password = "correct horse"

func directory(t *testing.T) *Directory {
	t.Helper()
	d, err := New([]string{"bob", "Alice"}, password)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestVerifyAcceptsOnlyTheRightPassword(t *testing.T) {
	d := directory(t)
	for _, c := range []struct {
		name, password, id string
	}{
		{"alice", password, "alice"},
		{" ALICE ", password, "alice"},
		{"alice", "correct horsf", ""},
		{"alice", "", ""},
		{"mallory", password, ""}, // the dummy's own password opens nothing
		{"", password, ""},
		{"alice", strings.Repeat("x", maxPassword+1), ""},
	} {
		proof, err := d.Verify(t.Context(), c.name, c.password)
		if proof.ID != c.id || (c.id == "") != errors.Is(err, ErrWrongPassword) {
			t.Errorf("Verify(%q, %d characters) = %q, %v; want %q", c.name, len(c.password), proof.ID, err, c.id)
		}
	}
}

func TestSetPasswordReplacesIt(t *testing.T) {
	d := directory(t)
	if err := d.SetPassword(t.Context(), "alice", "battery staple"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Verify(t.Context(), "alice", password); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("the old password: %v, want ErrWrongPassword", err)
	}
	if _, err := d.Verify(t.Context(), "alice", "battery staple"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestProofEndsWhenThePasswordChanges(t *testing.T) {
	d := directory(t)
	proof, err := d.Verify(t.Context(), "alice", password)
	if err != nil || d.Holds(proof) != nil {
		t.Fatalf("a proof of the password: %v, %v", err, d.Holds(proof))
	}
	if err := d.SetPassword(t.Context(), "alice", "battery staple"); err != nil {
		t.Fatal(err)
	}
	if err := d.Holds(proof); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("a proof of the old password: %v, want ErrWrongPassword", err)
	}
	if err := d.Holds(Proof{}); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("no proof at all: %v, want ErrWrongPassword", err)
	}
}

func TestSetPasswordRefusesWeakOnes(t *testing.T) {
	d := directory(t)
	for _, weak := range []string{"", "short", "ALICE", strings.Repeat("x", maxPassword+1)} {
		if err := d.SetPassword(t.Context(), "alice", weak); !errors.Is(err, ErrWeakPassword) {
			t.Errorf("SetPassword of %d characters: %v, want ErrWeakPassword", len(weak), err)
		}
	}
}

func TestHashingIsBounded(t *testing.T) {
	d := directory(t)
	for range cap(d.slots) {
		if err := d.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := d.Verify(ctx, "alice", password); !errors.Is(err, gone) {
		t.Errorf("with every slot taken: %v, want the context's error", err)
	}
}

func TestHashesAreNotPrinted(t *testing.T) {
	h, err := newHash(password)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%v %+v %s", h, h, h); got != "**** **** ****" {
		t.Errorf("a hash prints as %q", got)
	}
}
