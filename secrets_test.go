package sessile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile"
)

// TestSecretsAreNotInFilesLogsOrErrors searches the files, a backup, the log and the errors for
// tokens, and for data after its session has ended (S4, A12, A27, R22).
func TestSecretsAreNotInFilesLogsOrErrors(t *testing.T) {
	const sessions = 200
	old := umask(0)
	defer umask(old)
	dir := t.TempDir()
	var log bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.AddSync(&log), zapcore.DebugLevel))
	s, err := sessile.Open(t.Context(), sessile.Config{Path: filepath.Join(dir, "s.db"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	note := func(err error) {
		if err != nil {
			secretsInErrors(t, err, secrets)
		}
	}
	for i := range sessions {
		marker := fmt.Sprintf("payload-%04d-marker", i)
		x, tok, err := s.Create(t.Context(), sessile.Meta{}, fmt.Sprint("user", i), map[string]string{"k": marker})
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := s.RotateToken(t.Context(), x.ID())
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, marker, tok.Reveal(), fresh.Reveal())
		_, err = s.ReadByToken(t.Context(), tok)
		note(err)
		note(s.Destroy(t.Context(), x.ID()))
		_, err = s.Update(t.Context(), x.ID(), new(sessile.Changes).Set("k", marker))
		note(err)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "copy.db")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	grepFiles(t, dir, append(secrets, "Reveal"))
	for _, secret := range secrets {
		if strings.Contains(log.String(), secret) {
			t.Fatal("a secret is in the log")
		}
	}
}

func secretsInErrors(t *testing.T, err error, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("a secret is in an error: %v", err)
		}
	}
}

func grepFiles(t *testing.T, dir string, secrets []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Fatalf("%s contains %s", f.Name(), secret)
			}
		}
	}
}
