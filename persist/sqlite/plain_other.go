//go:build !unix

package sqlite

import "os"

// plain has no flags here: links are detected before the file is opened.
const plain = 0

// keepOpen returns nil: SQLite could not delete an open file.
func keepOpen(string) *os.File { return nil }

// theirs returns "": owners and link counts are not available.
func theirs(_, _ os.FileInfo) string { return "" }
