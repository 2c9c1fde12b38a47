package middleware

import "testing"

func TestQuotedIsTheLengthOfAKeyInJSON(t *testing.T) {
	for key, want := range map[string]int{
		"": 2, "a": 3, " ": 3, "~": 3, `"`: 4, `\`: 4, "\x1f": 8, "\x7f": 3, "é": 4, "a\nb": 6,
	} {
		if got := quoted(key); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}
