package connector

// REST is the rest section of a target file: how an API is asked and what its answers mean. Package rest says which
// variables the expressions have.
type REST struct {
	Account      RESTAccount
	Calls        map[string]RESTCall        // get, find, list, create, update, enable, disable, delete
	Entitlements map[string]RESTEntitlement // by kind
	Paging       string                     // link, cursor, page; empty: the list is one page
	Conditional  bool                       // If-Match with the ETag that was read
	Statuses     map[int]Class              // where a status means something else here
}

// RESTAccount says where an account's parts are in an answer: CEL over `item`.
type RESTAccount struct {
	ID, Account, ExternalID, Enabled string
	Attributes                       map[string]string
}

// RESTCall is one call.
type RESTCall struct {
	Method  string            // empty: the usual one
	Path    string            // below connection.url, with {variables}
	Query   map[string]string // CEL
	Headers map[string]string // CEL
	Body    string            // CEL; empty: none
	Item    string            // CEL over `response`: the account; empty: response
	Items   string            // CEL over `response`: the accounts or names; empty: response
	Next    string            // CEL: the next cursor; empty or null: this was the last page
}

// RESTEntitlement is how the entitlements of one kind are asked and changed.
type RESTEntitlement struct {
	List, Grant, Revoke RESTCall
	Name                string // CEL over `item`, one of List's items: the entitlement's name; empty: item
}
