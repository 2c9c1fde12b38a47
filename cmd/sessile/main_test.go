package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args  []string
		code  int
		shows string // on either output
	}{
		{nil, exitUsage, "demo"},
		{[]string{"help"}, exitOK, "demo"},
		{[]string{"demo", "-h"}, exitOK, "SESSILE_STORE_TTL"},
		{[]string{"dmeo"}, exitUsage, `unknown command "dmeo"`},
		{[]string{"demo", "-nope"}, exitUsage, "-nope"},
		{[]string{"demo", "-addr", "nowhere", "-cookies", "sweet"}, exitUsage, "cookies:"},
		{[]string{"demo", "-db", t.TempDir()}, exitFailed, "opening session store"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), c.args, nil, &out, &out); code != c.code || !strings.Contains(out.String(), c.shows) {
			t.Errorf("%v exits with %d, want %d:\n%s", c.args, code, c.code, out.String())
		}
	}
}
