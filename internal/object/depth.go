package object

// Depth returns the nesting depth of arrays and objects in raw. raw need not be valid.
func Depth(raw []byte) (deepest int) {
	depth, quoted := 0, false
	for at := 0; at < len(raw); at++ {
		switch c := raw[at]; {
		case quoted && c == '\\':
			at++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return deepest
}
