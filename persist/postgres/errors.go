package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sessile/sessile/persist"
)

// Codes of PostgreSQL (appendix A of its manual).
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	idleInTransaction    = "25P03"
	readOnlyTransaction  = "25006"
	duplicateStatement   = "42P05"
	unknownStatement     = "26000"
)

// code is the SQLSTATE in err, "" if it does not come from the server.
func code(err error) string {
	if e := new(pgconn.PgError); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// refused reports whether the server said that the transaction was rolled back. A FATAL error may follow a COMMIT that succeeded.
// The exception is that of an idle transaction.
func refused(err error) bool {
	e := new(pgconn.PgError)
	if !errors.As(err, &e) {
		return false
	}
	return e.SeverityUnlocalized == "ERROR" || e.Code == idleInTransaction
}

// again reports whether a transaction that did nothing may succeed at the next try: another node was faster, or the connection
// broke.
func again(err error) bool {
	switch c := code(err); c {
	case uniqueViolation, serializationFailure, deadlockDetected, idleInTransaction, readOnlyTransaction:
		return true
	default:
		return c == "" && errors.Is(err, errConnection) || strings.HasPrefix(c, "57P") || strings.HasPrefix(c, "08")
	}
}

// errConnection marks the error of a call whose connection failed.
var errConnection = errors.New("the connection failed")

// suspicious reports whether err says that other connections of the pool may hang, be broken, or lead to a server that
// is shutting down or was demoted.
func suspicious(err error) bool {
	c := code(err)
	return err != nil && c == "" && !errors.Is(err, context.Canceled) || c == readOnlyTransaction || strings.HasPrefix(c, "57P")
}

// ownFault reports whether one item of a batch causes err, so that the others can be committed without it: data that the server
// cannot store, a constraint, a limit of the server, a damaged page.
func ownFault(err error) bool {
	c := code(err)
	if c == uniqueViolation || len(c) != 5 {
		return false
	}
	return slices.Contains([]string{"22", "23", "54"}, c[:2]) || damaged(err)
}

// damaged reports whether the server cannot read what is stored.
func damaged(err error) bool { return slices.Contains([]string{"XX001", "XX002"}, code(err)) }

// openError translates the error of Open into one of the contract.
func openError(err error) error {
	for _, known := range []error{ErrInvalidConfig, persist.ErrNewer, persist.ErrNotStore, persist.ErrUnavailable} {
		if errors.Is(err, known) {
			return fmt.Errorf("opening the PostgreSQL store: %w", err)
		}
	}
	if c := code(err); c == duplicateStatement || c == unknownStatement {
		return fmt.Errorf("opening the PostgreSQL store: %w: URL leads to a pooler in transaction mode, and FeedURL is empty: %w", ErrInvalidConfig, err)
	}
	return fmt.Errorf("opening the PostgreSQL store: %w: %w", persist.ErrUnavailable, err)
}

// readError translates the error of a read into one of the contract. ctx is the caller's.
func readError(ctx context.Context, err error) error {
	switch {
	case err == nil || errors.Is(err, persist.ErrNotFound) || errors.Is(err, persist.ErrCorrupt):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case damaged(err):
		return fmt.Errorf("%w: %w", persist.ErrCorrupt, err)
	default:
		return fmt.Errorf("%w: %w", persist.ErrUnavailable, err)
	}
}
