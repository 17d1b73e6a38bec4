package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
)

// tx runs fn in one transaction within the target's time-out. An error before the commit means that nothing was done.
func (c *DB) tx(ctx context.Context, op string, want connector.Object, readOnly bool, fn func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	options := &sql.TxOptions{ReadOnly: readOnly}
	if c.dialect == dollar {
		// What was read stays true until it is written; the loser of two writers of one account fails, and tries again.
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := c.db.BeginTx(ctx, options)
	if err != nil {
		return fail(op, classOf(err), contextual(ctx, err), want)
	}
	if err := fn(ctx, tx); err != nil {
		// The driver rolls back or drops the connection, which rolls back; fn's error is the one that counts.
		_ = tx.Rollback()
		return fail(op, classOf(err), contextual(ctx, err), want)
	}
	if err := tx.Commit(); err != nil {
		class := commitClass(err)
		if readOnly {
			class = connector.Transient
		}
		return fail(op, class, contextual(ctx, fmt.Errorf("commit: %w", err)), want)
	}
	return nil
}

// row is one row as text by column.
type row map[string]string

func query(ctx context.Context, tx *sql.Tx, st statement, v values) (columns []string, out []row, err error) {
	rows, err := tx.QueryContext(ctx, st.text, st.args(v)...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, nil, err
	}
	columns = make([]string, len(types))
	for i, t := range types {
		columns[i] = t.Name()
	}
	for rows.Next() {
		cells := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, nil, err
		}
		r := make(row, len(columns))
		for i, cell := range cells {
			r[columns[i]] = text(cell, types[i].DatabaseTypeName())
		}
		out = append(out, r)
	}
	return columns, out, rows.Err()
}

// text is the form in which values of a database are compared with those of policy.
func text(cell any, databaseType string) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		if databaseType == "DATE" {
			return v.Format(time.DateOnly)
		}
		return v.UTC().Format(time.RFC3339Nano)
	default:
		return fmt.Sprint(v)
	}
}

// object makes an account of a row of get or list.
func object(r row) (connector.Object, error) {
	o := connector.Object{
		Ref:        connector.Ref{Account: r[paramAccount], RemoteID: r[paramAccount], ExternalID: r[paramExternalID]},
		Attributes: map[string]string{},
	}
	switch strings.ToLower(r[paramEnabled]) {
	case "true", "t", "1":
		o.Enabled = true
	case "false", "f", "0":
	default:
		return o, connector.Errorf(connector.Invalid, "read account", "its column enabled is neither true nor false; correct sql.account.get")
	}
	sum := sha256.New()
	for _, column := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(sum, "%q=%q;", column, r[column])
		if column != paramAccount && column != paramExternalID && column != paramEnabled && r[column] != "" {
			o.Attributes[column] = r[column]
		}
	}
	o.Version = hex.EncodeToString(sum.Sum(nil)[:8])
	return o, nil
}

// keys are the parameters that say which account is meant.
func keys(ref connector.Ref) values {
	account := ref.Account
	if ref.RemoteID != "" {
		account = ref.RemoteID
	}
	return values{paramAccount: account, paramExternalID: nullable(ref.ExternalID)}
}

// find reads the account without its entitlements. Where both the name and the external id find one, the external id
// decides.
func (c *DB) find(ctx context.Context, tx *sql.Tx, ref connector.Ref) (connector.Object, error) {
	columns, rows, err := query(ctx, tx, c.set.get, keys(ref))
	if err != nil {
		return connector.Object{}, err
	}
	if err := c.checkColumns(columns); err != nil {
		return connector.Object{}, err
	}
	if ref.ExternalID != "" && len(rows) > 1 {
		rows = slices.DeleteFunc(rows, func(r row) bool { return r[paramExternalID] != ref.ExternalID })
	}
	switch len(rows) {
	case 0:
		return connector.Object{}, &connector.Error{Class: connector.NotFound, Op: "find", Err: connector.ErrNotFound}
	case 1:
		return object(rows[0])
	default:
		return connector.Object{}, connector.Errorf(connector.Conflict, "find", "%d rows are found by one account; make account.get find one", len(rows))
	}
}

// entitlementsOf returns the names of one kind as entitlements, sorted.
func (c *DB) entitlementsOf(ctx context.Context, tx *sql.Tx, kind string, v values) ([]string, error) {
	columns, rows, err := query(ctx, tx, c.set.entitlements[kind].list, v)
	if err != nil {
		return nil, err
	}
	if len(columns) != 1 {
		return nil, connector.Errorf(connector.Invalid, "run entitlements."+kind+".list", "it gives the columns %q; it must give one, the name", columns)
	}
	var out []string
	for _, r := range rows {
		out = append(out, connector.Entitlement(kind, r[columns[0]]))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// complete adds the entitlements of every kind.
func (c *DB) complete(ctx context.Context, tx *sql.Tx, o *connector.Object) error {
	o.Entitlements = nil
	for _, kind := range slices.Sorted(maps.Keys(c.set.entitlements)) {
		has, err := c.entitlementsOf(ctx, tx, kind, keys(o.Ref))
		if err != nil {
			return err
		}
		o.Entitlements = append(o.Entitlements, has...)
	}
	slices.Sort(o.Entitlements)
	return nil
}

// Get reads one account with its entitlements, all at one moment.
func (c *DB) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	var o connector.Object
	err := c.tx(ctx, "get account "+ref.Account, connector.Object{}, true, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if o, err = c.find(ctx, tx, ref); err != nil {
			return err
		}
		return c.complete(ctx, tx, &o)
	})
	if err != nil {
		return connector.Object{}, err
	}
	return o, nil
}

// defaultPage is the page size when the caller does not say.
const defaultPage = 500

// List returns accounts in the order of the list statement. The token is the account the page before ended with.
func (c *DB) List(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	limit := req.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	op := "list accounts"
	if c.set.list.text == "" {
		return connector.Page{}, connector.Errorf(connector.Unsupported, op, "the target file has no sql.account.list")
	}
	var page connector.Page
	err := c.tx(ctx, op, connector.Object{}, true, func(ctx context.Context, tx *sql.Tx) error {
		columns, rows, err := query(ctx, tx, c.set.list, values{paramAfter: req.Token, paramLimit: limit})
		if err != nil {
			return err
		}
		if err := checkKeyColumns("list", columns); err != nil {
			return err
		}
		full := len(rows) >= limit
		if !c.set.list.names(paramLimit) {
			rows = after(rows, req.Token)
			full = len(rows) > limit
			rows = rows[:min(len(rows), limit)]
		}
		for _, r := range rows {
			o, err := object(r)
			if err != nil {
				return err
			}
			if err := c.complete(ctx, tx, &o); err != nil {
				return err
			}
			page.Objects = append(page.Objects, o)
		}
		if full {
			page.Next = rows[len(rows)-1][paramAccount]
		}
		return nil
	})
	if err != nil {
		return connector.Page{}, err
	}
	return page, nil
}

// after sorts the rows of a list without paging, and returns those behind the token.
func after(rows []row, token string) []row {
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[paramAccount], b[paramAccount]) })
	return slices.DeleteFunc(rows, func(r row) bool { return r[paramAccount] <= token })
}
