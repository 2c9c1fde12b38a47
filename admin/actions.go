package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/sessile/sessile"
)

// The changes that an administrator can make. The names are those of the JSON and of the pages.
const (
	actRevoke     = "revoke"
	actRevokeUser = "revoke-user"
	actRevokeAll  = "revoke-all"
	actCleanup    = "cleanup"
	actSync       = "sync"
	actBackup     = "backup"
)

// actionTimeout limits a change. A change does not end with the client's connection: a revocation that
// has begun is finished. A backup ends with it, because nobody waits for the file.
const actionTimeout = 5 * time.Minute

// target is what a change is about. Each action uses some of the fields.
type target struct {
	id     sessile.ID
	user   string
	except sessile.ID
	file   string // name of a backup in Options.BackupDir
	path   string // or its absolute path
}

// outcome is the result of a change.
type outcome struct {
	Action string `json:"action"`
	Count  int    `json:"count"`          // sessions that ended or were deleted
	File   string `json:"file,omitempty"` // the name or the path, as the client gave it
	Bytes  int64  `json:"bytes,omitempty"`
}

// action makes one kind of change.
type action func(context.Context, target) (outcome, error)

func (h *handler) allActions() map[string]action {
	return map[string]action{
		actRevoke: h.revoke, actRevokeUser: h.revokeUser, actRevokeAll: h.revokeAll,
		actCleanup: h.cleanup, actSync: h.sync, actBackup: h.backup,
	}
}

// errReadOnly refuses every change.
var errReadOnly = &refusal{http.StatusForbidden, "Changes are switched off: this is a read-only view."}

// perform makes one change and logs it.
func (h *handler) perform(ctx context.Context, name string, t target) (outcome, error) {
	if h.options.ReadOnly {
		return outcome{}, errReadOnly
	}
	if name != actBackup {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	out, err := h.actions[name](ctx, t)
	out.Action = name
	log := h.log.With("action", name)
	if !t.id.IsZero() {
		log = log.With("session", t.id)
	}
	if t.user != "" {
		log = log.With("user", t.user)
	}
	if err != nil {
		log.Warn("admin change failed", "count", out.Count, "error", err)
		return out, err
	}
	log.Info("admin change", "count", out.Count)
	return out, nil
}

// revoke ends a session. An unknown one is no error, because a repeated revocation must succeed. Its
// count is 0.
func (h *handler) revoke(ctx context.Context, t target) (outcome, error) {
	count := 1
	if _, err := h.store.Read(ctx, t.id); errors.Is(err, sessile.ErrNotFound) {
		count = 0
	}
	if err := h.store.Destroy(ctx, t.id, sessile.EndRevoked); err != nil {
		return outcome{}, err
	}
	return outcome{Count: count}, nil
}

func (h *handler) revokeUser(ctx context.Context, t target) (outcome, error) {
	var n int
	var err error
	if t.except.IsZero() {
		n, err = h.store.DestroyAllForUser(ctx, t.user, sessile.EndRevoked)
	} else {
		n, err = h.store.DestroyAllExcept(ctx, t.user, t.except, sessile.EndRevoked)
	}
	return outcome{Count: n}, err
}

func (h *handler) revokeAll(ctx context.Context, _ target) (outcome, error) {
	n, err := h.store.DestroyAll(ctx, sessile.EndRevoked)
	return outcome{Count: n}, err
}

func (h *handler) cleanup(ctx context.Context, _ target) (outcome, error) {
	n, err := h.store.CleanupExpired(ctx)
	return outcome{Count: n}, err
}

func (h *handler) sync(ctx context.Context, _ target) (outcome, error) {
	return outcome{}, h.store.Sync(ctx)
}

// backupNames matches the file names that a client may choose: no directories, no hidden files, nothing
// that a command takes for an option.
var backupNames = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// backup writes a backup.
func (h *handler) backup(ctx context.Context, t target) (outcome, error) {
	path, err := h.backupPath(&t)
	if err != nil {
		return outcome{}, err
	}
	if !h.copying.TryLock() {
		return outcome{}, &refusal{http.StatusConflict, "Another backup is under way."}
	}
	defer h.copying.Unlock()
	if err := h.store.Backup(ctx, path); err != nil {
		if fault, ok := errors.AsType[*fs.PathError](err); ok && t.path != "" {
			return outcome{}, badRequest("The store cannot write the backup: %v.", fault)
		}
		return outcome{}, err
	}
	info, err := os.Stat(path) //nolint:gosec // backupPath has checked it
	if err != nil {
		return outcome{}, fmt.Errorf("reading the size of the backup: %w", err)
	}
	return outcome{File: cmp.Or(t.path, t.file), Bytes: info.Size()}, nil
}

// backupPath returns where a backup goes: to the path, if clients may choose it, or into
// Options.BackupDir.
func (h *handler) backupPath(t *target) (string, error) {
	switch {
	case t.path != "" && !h.options.AnyBackupPath:
		return "", &refusal{http.StatusForbidden, "A backup has a name here, and not a path."}
	case t.path != "" && (t.file != "" || !filepath.IsAbs(t.path)):
		return "", badRequest("A backup has either a name or an absolute path.")
	case t.path != "":
		return t.path, nil
	case h.options.BackupDir == "":
		return "", &refusal{http.StatusForbidden, "Backups are switched off: no directory is set for them."}
	}
	if t.file == "" {
		t.file = h.store.Now().UTC().Format("sessile-20060102T150405.000Z.db")
	}
	if !backupNames.MatchString(t.file) {
		return "", badRequest("The name of a backup has up to 100 letters, digits, dots, hyphens and underscores, and begins with no dot or hyphen.")
	}
	return filepath.Join(h.options.BackupDir, t.file), nil
}
