// Package terminal writes to terminals and asks questions on them. It knows nothing about sessions.
//
// Text that comes from a store, a file or a server goes through [Quote] or [Clean] first: it may
// contain escape sequences that act on a terminal, and characters that hide or reorder text (CWE-150).
package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// None is what a table shows where there is nothing.
const None = "-"

// Quote returns s as it is if a reader sees every character of it. Otherwise it returns s quoted, with
// the other characters escaped. Text that could be taken for None or for a quoted text is quoted too.
func Quote(s string) string {
	if s == "" {
		return None
	}
	if s == None || s[0] == '"' || strings.TrimSpace(s) != s || !visible(s) {
		return strconv.QuoteToGraphic(s)
	}
	return s
}

// Clean escapes what Quote would escape in a text of several lines, such as an error. It keeps line
// breaks and tabs.
func Clean(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if !visible(strings.ReplaceAll(line, "\t", "")) {
			quoted := strconv.QuoteToGraphic(line)
			lines[i] = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
		}
	}
	return strings.Join(lines, "\n")
}

// CleanJSON escapes the characters of an encoded JSON text that package json leaves as they are and a
// terminal would obey. The text stays equivalent.
func CleanJSON(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		c, size := utf8.DecodeRune(raw)
		switch {
		case unicode.IsGraphic(c) || c == '\n':
			out = append(out, raw[:size]...)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
		raw = raw[size:]
	}
	return out
}

func visible(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}
