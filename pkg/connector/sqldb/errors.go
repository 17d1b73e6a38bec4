package sqldb

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"joinery.internal/pkg/connector"
)

var errURL = errors.New("connection.url must be postgres://host/database or sqlite:///path/of/the/file.db")

// classOf classes an error of a driver that came before the commit was sent: nothing has been changed.
func classOf(err error) connector.Class {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return e.Class
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classOfState(e.Code)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return classOfSQLite(e.Code())
	}
	// No connection, a broken one, a time-out: all before the commit.
	return connector.Transient
}

// classOfState maps a SQLSTATE. One that is not known is a fault of the statement: Invalid.
func classOfState(code string) connector.Class {
	switch code {
	case "23505": // unique_violation
		return connector.Conflict
	case "42501": // insufficient_privilege
		return connector.Denied
	case "55P03": // lock_not_available
		return connector.Transient
	}
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "57", "58": // connection, rollback (serialization, deadlock), resources, operator, system
		return connector.Transient
	case "28": // authorization
		return connector.Denied
	case "25": // invalid transaction state, among them a read-only standby
		return connector.Denied
	case "0A": // feature not supported
		return connector.Unsupported
	default: // 22 data, 23 integrity, 42 syntax, …
		return connector.Invalid
	}
}

func classOfSQLite(code int) connector.Class {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return connector.Conflict
	}
	switch code & 0xff { // the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM:
		return connector.Transient
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY:
		return connector.Denied
	default:
		return connector.Invalid
	}
}

// fail makes the error of an operation. What the database said is kept without the values it may quote.
func fail(op string, class connector.Class, err error, want connector.Object) error {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return &connector.Error{Class: e.Class, Op: op + ": " + e.Op, Err: e.Err}
	}
	if text := connector.Redact(err.Error(), want); text != err.Error() {
		err = errors.New(text)
	}
	return &connector.Error{Class: class, Op: op, Err: err}
}

// commitClass classes an error of the commit: unless the database itself refused it, it may have happened.
func commitClass(err error) connector.Class {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !strings.HasPrefix(e.Code, "57") && !strings.HasPrefix(e.Code, "08") {
		return classOfState(e.Code)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return classOfSQLite(e.Code())
	}
	return connector.Ambiguous
}

// contextual puts the context's own error in, which drivers hide behind a closed connection or an interrupt.
func contextual(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return errors.Join(context.Cause(ctx), err)
}
