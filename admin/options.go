package admin

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
)

// Options configure a [Handler]. The zero value refuses every request, because it has no Authorize.
type Options struct {
	// Prefix is the path where the handler is mounted, such as "/admin". It has no slash at its end.
	// Default "": the root.
	Prefix string
	// Authorize returns nil if a request may use the API and the dashboard, and an error to refuse it
	// with 403. The error is logged, not shown. It is asked for every request, and every ten seconds
	// while an event stream is open.
	//
	// If it asks the session middleware who the user is, it must call Handle.Check first. Handle.Current
	// is what the request found when it began, also after the session has been revoked.
	//
	// Without Authorize the handler refuses everything. On a socket ([ListenUnix]) the mode of the
	// socket protects the API, and Authorize is asked in addition if it is set.
	Authorize func(*http.Request) error
	// ReadOnly refuses every change with 403. The dashboard then has no buttons.
	ReadOnly bool
	// Feed has the store's events. Default nil: the event log stays empty.
	Feed *Feed
	// ShowData names the keys of session data that are shown with a session. Default: none.
	ShowData []string
	// BackupDir is the directory for backups. It must exist. Default "": backups are refused.
	BackupDir string
	// AnyBackupPath lets clients name any absolute path for a backup. Set it only if every client may
	// write whatever this process may write. [ListenUnix] sets it, because its clients are this user.
	AnyBackupPath bool
	// Closing ends the event streams when it is closed. Without it http.Server.Shutdown waits for them
	// until its context ends.
	Closing <-chan struct{}
	// Logger receives one line for each change and for each refused request. Default slog.Default.
	Logger *slog.Logger
}

// prefixes matches the prefixes that need no escaping in a path, a pattern or a page.
var prefixes = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`)

// withDefaults replaces zero fields, and copies what the caller may change later.
func (o Options) withDefaults() Options {
	o.Feed = cmp.Or(o.Feed, new(Feed))
	o.Logger = cmp.Or(o.Logger, slog.Default())
	o.ShowData = slices.Clone(o.ShowData)
	return o
}

// check reports every fault.
func (o Options) check() error {
	var errs []error
	if !prefixes.MatchString(o.Prefix) {
		errs = append(errs, fmt.Errorf("prefix %q is not a path like /admin", o.Prefix))
	}
	if slices.Contains(o.ShowData, "") {
		errs = append(errs, errors.New("ShowData contains an empty key"))
	}
	if o.BackupDir != "" {
		info, err := os.Stat(o.BackupDir)
		if err == nil && !info.IsDir() {
			err = errors.New("not a directory")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("backup directory: %w", err))
		}
	}
	return errors.Join(errs...)
}
