package demo

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// newLogger logs for people: the demo runs in a terminal.
func newLogger(level string, out io.Writer) (*zap.Logger, error) {
	at, err := zapcore.ParseLevel(strings.ToLower(level))
	if err != nil {
		return nil, fmt.Errorf("reading the log level: %w", err)
	}
	format := zap.NewDevelopmentEncoderConfig()
	format.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	core := zapcore.NewCore(visible{zapcore.NewConsoleEncoder(format)}, zapcore.Lock(zapcore.AddSync(out)), at)
	return zap.New(core), nil
}

// visible escapes what a terminal obeys, or shows as something else. A path and an
// Origin are what a client sends (CWE-117, CWE-150). zap escapes C0 in fields, but
// neither C1 nor the characters that turn text around, and nothing in a message.
type visible struct{ zapcore.Encoder }

// Clone is of the same kind.
func (v visible) Clone() zapcore.Encoder { return visible{v.Encoder.Clone()} }

// EncodeEntry writes one line. Only the encoder's own tabs and line ends are left as they are.
func (v visible) EncodeEntry(e zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	e.Message, e.LoggerName = escape(e.Message, ""), escape(e.LoggerName, "")
	line, err := v.Encoder.EncodeEntry(e, fields)
	if err != nil {
		return nil, err
	}
	text := escape(line.String(), "\n\t")
	line.Reset()
	line.AppendString(text)
	return line, nil
}

// escape writes every character that is not graphic as JSON would, but for those to keep.
func escape(s, keep string) string {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) && !strings.ContainsRune(keep, r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, string(utf8.RuneError)) {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
