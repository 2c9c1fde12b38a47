package demo

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
)

// newLogger returns a logger for people, because the demo runs in a terminal.
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

// adminLog returns a logger for package admin, which uses log/slog.
func adminLog(log *zap.Logger) *slog.Logger {
	return slog.New(zapslog.NewHandler(log.Core(), zapslog.WithName("admin")))
}

// visible escapes characters that control a terminal or hide text. Clients choose the path and the
// Origin header, so these may contain such characters (CWE-117, CWE-150). zap escapes only C0 in
// fields. It does not escape C1, bidirectional controls, or anything in a message.
type visible struct{ zapcore.Encoder }

// Clone returns a copy that escapes too.
func (v visible) Clone() zapcore.Encoder { return visible{v.Encoder.Clone()} }

// EncodeEntry writes one line. It keeps only the encoder's own tabs and line ends.
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

// escape writes every non-graphic character as a JSON escape, except those in keep.
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
