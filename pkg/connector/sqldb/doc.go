// Package sqldb is the connector for applications that keep their accounts in a SQL database: PostgreSQL
// (postgres://…) and SQLite (sqlite:///path).
//
// It owns the running of statements that the target file brings: named parameters are bound, never pasted in; each
// change is one transaction that first reads the account. It knows no table of its own.
//
// Connection keys: url, user and password (PostgreSQL; beat those in the url). A PostgreSQL server on another machine must
// prove who it is (sslmode verify-full) unless the url says another sslmode; sslrootcert names an authority of your own.
//
//	statement                  parameters it may name                         gives
//	account.get                :account :external_id                          rows: account, external_id, enabled, attributes
//	account.list               :after :limit (both or neither)                rows as get, in the order of account
//	account.create             :account :external_id :enabled, attributes
//	account.update             :account :external_id :enabled, attributes
//	account.enable, disable    :account :external_id
//	account.delete             :account :external_id
//	entitlements.KIND.list     :account :external_id                          one column: the name
//	entitlements.KIND.grant    :account :external_id :name
//	entitlements.KIND.revoke   :account :external_id :name
//
// An attribute's parameter is its name; every other column of get is an attribute. An empty value is bound as NULL, and
// NULL is read as empty. Update binds every attribute, changed or not. Grant and revoke run only when they change
// something. Where get looks by :external_id too (`where account = :account or external_id = :external_id`), an account
// renamed in the target is found again. The account's name is its remote id; a rename is not supported.
//
// PostgreSQL finds the type of a parameter by its place; where it cannot, write `:account::text`.
package sqldb
