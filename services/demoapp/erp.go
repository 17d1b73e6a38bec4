package demoapp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"joinery.internal/pkg/connector"
)

// erpSchema is the application's. Triggers keep the journal, so that whoever changes a row is seen; a role comes into
// being when it is first given.
const erpSchema = `
create table if not exists accounts (
	account text primary key, external_id text unique, enabled boolean not null,
	full_name text, email text, department text, title text);
create table if not exists roles (name text primary key);
create table if not exists account_roles (
	account text not null references accounts on delete cascade on update cascade,
	role text not null references roles, primary key (account, role));
create table if not exists journal (
	seq integer primary key, at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
	verb text not null, account text not null, external_id text, role text);
create table if not exists switch (mode text not null);

create trigger if not exists account_created after insert on accounts begin
	insert into journal (verb, account, external_id) values ('create', new.account, new.external_id); end;
create trigger if not exists account_deleted after delete on accounts begin
	insert into journal (verb, account, external_id) values ('delete', old.account, old.external_id); end;
create trigger if not exists account_switched after update on accounts when old.enabled <> new.enabled begin
	insert into journal (verb, account, external_id)
	values (case when new.enabled then 'enable' else 'disable' end, new.account, new.external_id); end;
create trigger if not exists account_updated after update on accounts when old.enabled = new.enabled and (
	old.account <> new.account or old.external_id is not new.external_id or old.full_name is not new.full_name or
	old.email is not new.email or old.department is not new.department or old.title is not new.title) begin
	insert into journal (verb, account, external_id) values ('update', new.account, new.external_id); end;
create trigger if not exists role_first_given before insert on account_roles begin
	insert or ignore into roles (name) values (new.role); end;
create trigger if not exists role_given after insert on account_roles begin
	insert into journal (verb, account, external_id, role)
	select 'grant', new.account, external_id, new.role from accounts where account = new.account; end;
create trigger if not exists role_taken after delete on account_roles begin
	insert into journal (verb, account, external_id, role)
	select 'revoke', old.account, external_id, old.role from accounts where account = old.account; end;

create trigger if not exists reject_insert before insert on accounts when exists (select 1 from switch where mode = 'reject') begin
	select raise(abort, 'the application is switched to reject every change'); end;
create trigger if not exists reject_update before update on accounts when exists (select 1 from switch where mode = 'reject') begin
	select raise(abort, 'the application is switched to reject every change'); end;
create trigger if not exists reject_delete before delete on accounts when exists (select 1 from switch where mode = 'reject') begin
	select raise(abort, 'the application is switched to reject every change'); end;
create trigger if not exists reject_grant before insert on account_roles when exists (select 1 from switch where mode = 'reject') begin
	select raise(abort, 'the application is switched to reject every change'); end;
create trigger if not exists reject_revoke before delete on account_roles when exists (select 1 from switch where mode = 'reject') begin
	select raise(abort, 'the application is switched to reject every change'); end;
`

// ERPStatements are the `sql` section of a target file for `demo:erp`: kind role, attributes full_name, email,
// department and title.
func ERPStatements() connector.Statements {
	columns := "select account, external_id, enabled, full_name, email, department, title from accounts "
	return connector.Statements{
		Account: connector.AccountStatements{
			Get:  columns + "where account = :account or external_id = :external_id",
			List: columns + "where account > :after order by account limit :limit",
			Create: "insert into accounts (account, external_id, enabled, full_name, email, department, title) " +
				"values (:account, :external_id, :enabled, :full_name, :email, :department, :title)",
			Update: "update accounts set external_id = :external_id, full_name = :full_name, email = :email, " +
				"department = :department, title = :title where account = :account",
			Enable:  "update accounts set enabled = true where account = :account",
			Disable: "update accounts set enabled = false where account = :account",
			Delete:  "delete from accounts where account = :account",
		},
		Entitlements: map[string]connector.EntitlementStatements{"role": {
			List:   "select role from account_roles where account = :account",
			Grant:  "insert into account_roles (account, role) values (:account, :name)",
			Revoke: "delete from account_roles where account = :account and role = :name",
		}},
	}
}

// erpOptions: a client waits a second for a lock, and then finds the application down. Nothing is synced, since what is
// written survives a kill of the process without it.
const erpOptions = "_pragma=busy_timeout(1000)&_pragma=foreign_keys(1)&_pragma=synchronous(off)&_pragma=journal_mode(truncate)"

// erpApp is an application that keeps its accounts in a SQLite file. It is down by holding the file's lock.
type erpApp struct {
	path string
	db   *sql.DB

	mu     sync.Mutex
	conn   *sql.Conn // the one that locks, and so the one that can read meanwhile
	now    Mode
	locked bool
	pulse  *pulse // while flaky or slow
}

func openERP(ctx context.Context, path string) (*erpApp, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+erpOptions)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if _, err := conn.ExecContext(ctx, erpSchema+"delete from switch;"); err != nil {
		return nil, errors.Join(fmt.Errorf("make the tables: %w", err), conn.Close(), db.Close())
	}
	return &erpApp{path: path, db: db, conn: conn, now: Up}, nil
}

func (a *erpApp) address(string) (address, token string) {
	return (&url.URL{Scheme: "sqlite", Path: a.path, RawQuery: erpOptions}).String(), ""
}

func (a *erpApp) api() http.Handler { return nil }

func (a *erpApp) close() error {
	a.mu.Lock()
	p := a.pulse
	a.pulse = nil
	a.mu.Unlock()
	p.stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.unlock(context.Background()), a.conn.Close(), a.db.Close())
}

// setMode leaves the mode before, and enters the new one.
func (a *erpApp) setMode(ctx context.Context, mode Mode) error {
	a.mu.Lock()
	p := a.pulse
	a.pulse = nil
	a.mu.Unlock()
	p.stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.unlock(ctx); err != nil {
		return err
	}
	if _, err := a.conn.ExecContext(ctx, "delete from switch; insert into switch (mode) values (?)", string(mode)); err != nil {
		return err
	}
	a.now = mode
	switch mode {
	case Down:
		return a.lock(ctx)
	case Flaky: // longer than a client waits, by turns
		a.pulse = startPulse(a, 1500*time.Millisecond, 500*time.Millisecond)
	case Slow: // shorter than a client waits
		a.pulse = startPulse(a, 500*time.Millisecond, 50*time.Millisecond)
	}
	return nil
}

// lock keeps everybody else from reading and writing. a.mu must be held.
func (a *erpApp) lock(ctx context.Context) error {
	if a.locked {
		return nil
	}
	if _, err := a.conn.ExecContext(ctx, "begin exclusive"); err != nil {
		return fmt.Errorf("lock the database: %w", err)
	}
	a.locked = true
	return nil
}

func (a *erpApp) unlock(ctx context.Context) error {
	if !a.locked {
		return nil
	}
	if _, err := a.conn.ExecContext(ctx, "commit"); err != nil {
		return fmt.Errorf("unlock the database: %w", err)
	}
	a.locked = false
	return nil
}

// pulse locks and unlocks the database by turns, in a goroutine of its own, until it is stopped.
type pulse struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startPulse(a *erpApp, held, free time.Duration) *pulse {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pulse{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			a.mu.Lock()
			// A lock that cannot be had now is tried again: a client holds it, which makes us no less flaky.
			// Neither statement is cut short, so that locked stays true to the database.
			_ = a.lock(context.WithoutCancel(ctx))
			a.mu.Unlock()
			if !waitFor(ctx, held) {
				return
			}
			a.mu.Lock()
			_ = a.unlock(context.WithoutCancel(ctx))
			a.mu.Unlock()
			if !waitFor(ctx, free) {
				return
			}
		}
	}()
	return p
}

func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// stop ends the pulse and waits for it; it may leave the database locked.
func (p *pulse) stop() {
	if p == nil {
		return
	}
	p.cancel()
	<-p.done
}

func (a *erpApp) inspect(ctx context.Context) (Snapshot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := Snapshot{Mode: a.now, Accounts: []Account{}, Journal: []Change{}}
	if err := a.readAccounts(ctx, &out); err != nil {
		return out, fmt.Errorf("read accounts: %w", err)
	}
	if err := a.readJournal(ctx, &out); err != nil {
		return out, fmt.Errorf("read the journal: %w", err)
	}
	return out, nil
}

func (a *erpApp) readAccounts(ctx context.Context, out *Snapshot) (err error) {
	rows, err := a.conn.QueryContext(ctx, `
		select a.account, coalesce(external_id, ''), enabled, coalesce(full_name, ''), coalesce(email, ''),
			coalesce(department, ''), coalesce(title, ''), coalesce(role, '')
		from accounts a left join account_roles r on r.account = a.account order by a.account, role`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one := Account{Entitlements: []string{}}
		var fullName, email, department, title, role string
		if err := rows.Scan(&one.Account, &one.ExternalID, &one.Enabled, &fullName, &email, &department, &title, &role); err != nil {
			return err
		}
		one.ID = one.Account
		if n := len(out.Accounts); n == 0 || out.Accounts[n-1].Account != one.Account {
			one.Attributes = map[string]string{"full_name": fullName, "email": email, "department": department, "title": title}
			out.Accounts = append(out.Accounts, one)
		}
		if role != "" {
			last := &out.Accounts[len(out.Accounts)-1]
			last.Entitlements = append(last.Entitlements, "role/"+role)
		}
	}
	return rows.Err()
}

func (a *erpApp) readJournal(ctx context.Context, out *Snapshot) (err error) {
	rows, err := a.conn.QueryContext(ctx, "select at, verb, account, coalesce(external_id, ''), coalesce('role/' || role, '') from journal order by seq")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c Change
		var at string
		if err := rows.Scan(&at, &c.Verb, &c.Account, &c.ExternalID, &c.Entitlement); err != nil {
			return err
		}
		if c.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return err
		}
		out.Journal = append(out.Journal, c)
	}
	return rows.Err()
}
