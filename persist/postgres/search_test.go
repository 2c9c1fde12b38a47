package postgres_test

import (
	"context"
	"testing"
)

func TestCountOfManySessionsIsAnEstimate(t *testing.T) {
	cfg := fresh(t)
	d := open(t, cfg)
	count := func() int {
		t.Helper()
		n, err := d.Count(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	create(t, d, "ann", 3)
	if n := count(); n != 3 {
		t.Errorf("%d sessions, want 3", n)
	}
	shared.Exec(t, `INSERT INTO `+cfg.Schema+`.session SELECT 1000 + n, decode(lpad(to_hex(1000000000 + n), 32, '0'), 'hex'), sha256(n::text::bytea), NULL, 0, 0, 0, 0,
		'bob', '', '', '', '', '', 0, 0, 0, '{}' FROM generate_series(1, 120000) AS n`)
	if n := count(); n <= 100_000 {
		t.Errorf("%d sessions, want more than 100,000", n)
	}
	shared.Exec(t, `ANALYZE `+cfg.Schema+`.session`)
	if n := count(); n < 119_000 || n > 121_000 {
		t.Errorf("%d sessions, want about 120,003", n)
	}
}
