package sessile

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger returns the logger that this configuration selects.
func (c Config) logger() *zap.Logger {
	switch {
	case c.Logger != nil:
		return c.Logger
	case c.Slog != nil:
		return zap.New(slogCore{handler: c.Slog.Handler, least: zapcore.DebugLevel})
	default: // look the handler up for each line: applications often call slog.SetDefault late
		return zap.New(slogCore{handler: func() slog.Handler { return slog.Default().Handler() }, least: zapcore.WarnLevel})
	}
}

// slogCore is a zap core that writes to a log/slog handler.
type slogCore struct {
	handler func() slog.Handler
	least   zapcore.Level
	fields  []zapcore.Field
}

// Enabled reports whether lines of level l are logged.
func (c slogCore) Enabled(l zapcore.Level) bool {
	return l >= c.least && c.handler().Enabled(context.Background(), slogLevel(l))
}

// With returns a core that adds fields to each line.
func (c slogCore) With(fields []zapcore.Field) zapcore.Core {
	c.fields = slices.Concat(c.fields, fields)
	return c
}

// Check adds the core to an entry that it logs.
func (c slogCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) {
		return to
	}
	return to.AddCore(e, c)
}

// Write passes a line to the handler, with its fields in order.
func (c slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	r := slog.NewRecord(e.Time, slogLevel(e.Level), e.Message, 0)
	for _, f := range slices.Concat(c.fields, fields) {
		encoded := zapcore.NewMapObjectEncoder()
		f.AddTo(encoded)
		for _, key := range slices.Sorted(maps.Keys(encoded.Fields)) {
			r.AddAttrs(slog.Any(key, encoded.Fields[key]))
		}
	}
	return c.handler().Handle(context.Background(), r)
}

// Sync does nothing: slog handlers have no flush.
func (slogCore) Sync() error { return nil }

// slogLevel returns the slog level that corresponds to l.
func slogLevel(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	case l == zapcore.InfoLevel:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}
