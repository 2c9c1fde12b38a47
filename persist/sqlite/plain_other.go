//go:build !unix

package sqlite

import "os"

// plain: links are found by a look before the file is opened.
const plain = 0

// keepOpen does not: SQLite could not delete the file.
func keepOpen(string) *os.File { return nil }

// theirs: owners and names cannot be told.
func theirs(_, _ os.FileInfo) string { return "" }
