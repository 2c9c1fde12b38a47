package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// hostile are texts that act on a terminal, or hide or reorder text.
func hostile() []string {
	return []string{
		"\x1b[31mred", "\x1b]0;title\x07", "bell\x07", "a\rb", "a\nb", "a\tb", "del\x7f", "c1\u009b31m", "\u202egnirts", "\u2066iso\u2069",
		"zero\u200bwidth", "soft\u00adhyphen", "\ufeffbom", "line\u2028sep", "not utf8 \xff\xfe", "tag\U000e0041",
	}
}

func TestQuoteShowsEveryCharacterOfHostileText(t *testing.T) {
	for _, s := range hostile() {
		if q := Quote(s); !visible(q) || q[0] != '"' {
			t.Errorf("%q is shown as %q", s, q)
		}
	}
	for in, want := range map[string]string{"": "-", "-": `"-"`, "ann": "ann", "Ann Ünal 李": "Ann Ünal 李", " ann": `" ann"`, `"ann"`: `"\"ann\""`} {
		if got := Quote(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

func TestCleanKeepsLinesAndNothingElse(t *testing.T) {
	for _, s := range hostile() {
		if c := Clean("first\n" + s); strings.ContainsFunc(c, func(r rune) bool { return r != '\n' && r != '\t' && !visible(string(r)) }) {
			t.Errorf("%q is shown as %q", s, c)
		}
	}
}

func TestCleanJSONStaysEquivalent(t *testing.T) {
	for _, s := range hostile() {
		var raw bytes.Buffer
		if err := json.NewEncoder(&raw).Encode(s); err != nil {
			t.Fatal(err)
		}
		clean := CleanJSON(raw.Bytes())
		var before, after string
		if err := json.Unmarshal(raw.Bytes(), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(clean, &after); err != nil || before != after {
			t.Errorf("%q becomes %q, %v", before, after, err)
		}
		if !visible(strings.TrimSuffix(string(clean), "\n")) {
			t.Errorf("%q is shown as %q", s, clean)
		}
	}
}
