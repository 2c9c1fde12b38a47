package object

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// split returns the members of an object, sorted by key. If a key occurs twice, the last one counts.
// Keys and values refer to raw where possible, so that a session in memory holds its data once.
func split(raw []byte) ([]field, error) {
	if !Valid(raw) {
		return nil, ErrInvalid
	}
	var fields []field
	for at := space(raw, 1); raw[at] != '}'; {
		begin := at
		at = end(raw, at)
		name := raw[begin:at:at]
		begin = space(raw, space(raw, at)+1) // after the colon
		at = end(raw, begin)
		f, err := member(name, raw[begin:at:at])
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		if at = space(raw, at); raw[at] == ',' {
			at = space(raw, at+1)
		}
	}
	return lastOfEach(fields), nil
}

// count returns the number of members that split finds, counting repeated keys each time. It returns
// 0 if raw is not an object.
func count(raw []byte) (n int) {
	if len(raw) < len("{}") || raw[0] != '{' {
		return 0
	}
	depth, inString := 0, false
	for i := 1; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth == 0:
			n++
		}
	}
	return n
}

// member returns the field for an encoded key and its value.
func member(name, value []byte) (field, error) {
	if plain(name) {
		return field{string(name[1 : len(name)-1]), name, value}, nil
	}
	var key string
	if err := json.Unmarshal(name, &key); err != nil {
		return field{}, ErrInvalid
	}
	return field{key, quote(key), value}, nil
}

// plain reports whether an encoded key is in the form that quote writes.
func plain(name []byte) bool {
	return !slices.ContainsFunc(name, func(c byte) bool { return c >= 0x7f || c < ' ' || c == '\\' })
}

// lastOfEach sorts fields by key and drops all but the last field of each key.
func lastOfEach(fields []field) []field {
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	out := make([]field, 0, len(fields))
	for i, f := range fields {
		if i+1 == len(fields) || fields[i+1].key != f.key {
			out = append(out, f)
		}
	}
	return out
}

// space returns the position of the next character that is not white space.
func space(raw []byte, at int) int {
	for bytes.IndexByte([]byte(" \t\r\n"), raw[at]) >= 0 {
		at++
	}
	return at
}

// end returns the position after the value that starts at at. raw is valid.
func end(raw []byte, at int) int {
	switch raw[at] {
	case '"':
		return endOfString(raw, at)
	case '{', '[':
		return endOfNest(raw, at)
	default:
		for at < len(raw) && bytes.IndexByte([]byte(",]} \t\r\n"), raw[at]) < 0 {
			at++
		}
		return at
	}
}

func endOfString(raw []byte, at int) int {
	for at++; raw[at] != '"'; at++ {
		if raw[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func endOfNest(raw []byte, at int) int {
	for depth := 0; ; {
		switch raw[at] {
		case '"':
			at = endOfString(raw, at)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if at++; depth == 0 {
			return at
		}
	}
}
