package sessile_test

import (
	"bytes"
	"errors"
	"log"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/sessile/sessile"
)

// logs returns a slog logger at level, and its output.
func logs(level slog.Level) (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level, ReplaceAttr: noTime})), &b
}

// defaultLogs redirects the default slog logger to the result until the test ends.
func defaultLogs(t *testing.T) *bytes.Buffer {
	t.Helper()
	slogger, written := logs(slog.LevelDebug)
	before, out, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slogger) // changes package log too
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(out)
		log.SetFlags(flags)
	})
	return written
}

func TestLogsReachASlogLogger(t *testing.T) {
	log, written := logs(slog.LevelInfo)
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := sessile.Open(t.Context(), sessile.Config{Path: path, Slog: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile("^level=INFO msg=\"session store opened\" engine=\"SQLite [0-9.]+\" path=" + regexp.QuoteMeta(path) + "\nlevel=INFO msg=\"session store closed\"\n$")
	if !want.MatchString(written.String()) {
		t.Errorf("logged:\n%swant:\n%s", written, want)
	}
}

func TestLogsGoToTheDefaultSlogLoggerFromWarningsOn(t *testing.T) {
	log := sessile.LoggerOf(sessile.Config{})
	written := defaultLogs(t) // later than the store's logger
	log.Debug("a")
	log.Info("b")
	log.Warn("c")
	log.Error("d", zap.Error(errors.New("e")))
	if want := "level=WARN msg=c\nlevel=ERROR msg=d error=e\n"; written.String() != want {
		t.Errorf("logged:\n%swant:\n%s", written, want)
	}
}

func TestLogsOfZapStayOutOfSlog(t *testing.T) {
	written := defaultLogs(t)
	lines := zapLine(func(l *zap.Logger) {
		if got := sessile.LoggerOf(sessile.Config{Logger: l}); got != l {
			t.Error("the store has another logger")
		}
	})
	if written.Len() > 0 || lines != "" {
		t.Errorf("logged %q and %q", written, lines)
	}
}

func TestLogsToSlogKeepLevelsAndFields(t *testing.T) {
	slogger, written := logs(slog.LevelDebug)
	log := sessile.LoggerOf(sessile.Config{Slog: slogger})
	log.Debug("a", zap.Int("n", 1))
	log.With(zap.String("z", "first"), zap.Bool("y", true)).Info("b", zap.Duration("x", 1500e6), zap.Skip())
	log.Error("c", zap.Inline(sessile.Event{Kind: sessile.EventHealth, UserID: "ann"}))
	log.DPanic("d")
	want := "level=DEBUG msg=a n=1\nlevel=INFO msg=b z=first y=true x=1.5s\nlevel=ERROR msg=c kind=health user=ann\nlevel=ERROR msg=d\n"
	if written.String() != want {
		t.Errorf("logged:\n%swant:\n%s", written, want)
	}
	if log.Core().Sync() != nil {
		t.Error("sync fails")
	}
}

func TestLogsToSlogRespectItsLevel(t *testing.T) {
	slogger, written := logs(slog.LevelWarn)
	log := sessile.LoggerOf(sessile.Config{Slog: slogger})
	log.Info("a")
	log.Warn("b")
	if want := "level=WARN msg=b\n"; written.String() != want {
		t.Errorf("logged:\n%swant:\n%s", written, want)
	}
}

func TestConfigRefusesTwoLoggers(t *testing.T) {
	log, _ := logs(slog.LevelInfo)
	err := sessile.Config{Logger: zap.NewNop(), Slog: log}.Validate()
	if !errors.Is(err, sessile.ErrInvalidConfig) || !strings.Contains(err.Error(), "\nslog: set either Logger or Slog, not both") {
		t.Error(err)
	}
}
