package admin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// none stands for a figure that is not known.
const none = "–"

// count formats a number with a comma between thousands.
func count[N int | int64 | uint64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func whole(n *int) string {
	if n == nil {
		return none
	}
	return count(*n)
}

// decimal formats a rate or a mean: with one digit after the point below 100.
func decimal(p *point) string {
	switch {
	case p == nil:
		return none
	case *p < 100:
		return strconv.FormatFloat(*p, 'f', 1, 64)
	default:
		return count(int64(*p + 0.5))
	}
}

// percent formats a share. It rounds down, so that only a complete share is 100 %.
func percent(p *point) string {
	if p == nil {
		return none
	}
	return strconv.FormatFloat(float64(int(*p*1000))/10, 'f', 1, 64) + " %"
}

func seconds(p *point) string {
	if p == nil {
		return none
	}
	return span(time.Duration(*p * float64(time.Second)))
}

// span formats a duration in its largest unit.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1e3, 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 2*time.Minute:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

func ago(d time.Duration) string {
	if d < time.Second {
		return "now"
	}
	return span(d.Truncate(time.Second)) + " ago"
}

func until(d time.Duration) string {
	if d <= 0 {
		return "over"
	}
	return "in " + span(max(d.Truncate(time.Second), time.Second))
}

// size formats a number of bytes.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, names := float64(n)/unit, "kMGT"
	for f >= unit && len(names) > 1 {
		f, names = f/unit, names[1:]
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + names[:1] + "B"
}

// visible replaces the characters that would hide or reorder the text around them. Clients choose the
// user agent, and perhaps the user ID.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
