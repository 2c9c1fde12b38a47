package middleware

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// String returns the user, for logs.
func (l Login) String() string { return "Login(user " + strconv.Quote(l.UserID) + ")" }

// GoString returns the same as String.
func (l Login) GoString() string { return l.String() }

// Format prints String for every verb, so that %+v does not print the data.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.String()) }

// LogValue returns String for slog.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }
