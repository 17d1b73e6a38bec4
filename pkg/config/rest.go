package config

import "go.yaml.in/yaml/v3"

// REST says how an API is asked and what its answers mean. Expressions are CEL over the variables that package
// connector/rest lists; a path has them in braces.
type REST struct {
	Account      RESTAccount          `key:"account" is:"required" doc:"where an account's parts are in an answer: CEL over item"`
	Calls        RESTCalls            `key:"calls" is:"required"`
	Entitlements Map[RESTEntitlement] `key:"entitlements" doc:"by kind"`
	Paging       string               `key:"paging" enum:"link cursor page" doc:"how the list goes on; absent: it is one page"`
	Conditional  bool                 `key:"conditional" doc:"send If-Match with the ETag that was read"`
	Statuses     Map[RESTStatus]      `key:"statuses" doc:"where a status means something else: 422: {is: conflict}"`
}

// RESTAccount finds an account's parts.
type RESTAccount struct {
	ID         Expr      `key:"id" is:"required"`
	Account    Expr      `key:"account" is:"required"`
	ExternalID Expr      `key:"external_id" doc:"absent: the API does not keep it"`
	Enabled    Expr      `key:"enabled" is:"required"`
	Attributes Map[Expr] `key:"attributes"`
}

// RESTCalls are the calls about accounts.
type RESTCalls struct {
	Get     RESTCall  `key:"get" is:"required" doc:"one account by id"`
	Find    RESTCall  `key:"find" is:"required" doc:"accounts by account or external_id, whichever is not empty"`
	List    *RESTCall `key:"list" doc:"absent: the target cannot be reconciled"`
	Create  RESTCall  `key:"create" is:"required"`
	Update  RESTCall  `key:"update" is:"required"`
	Enable  RESTCall  `key:"enable" is:"required"`
	Disable RESTCall  `key:"disable" is:"required"`
	Delete  *RESTCall `key:"delete"`
}

// RESTCall is one call.
type RESTCall struct {
	Method  string    `key:"method" enum:"GET POST PUT PATCH DELETE"`
	Path    string    `key:"path" is:"required"`
	Query   Map[Expr] `key:"query"`
	Headers Map[Expr] `key:"headers"`
	Body    Expr      `key:"body"`
	Item    Expr      `key:"item"`
	Items   Expr      `key:"items"`
	Next    Expr      `key:"next"`
}

// RESTEntitlement is how the entitlements of one kind are asked and changed.
type RESTEntitlement struct {
	List   RESTCall `key:"list" is:"required"`
	Grant  RESTCall `key:"grant" is:"required"`
	Revoke RESTCall `key:"revoke" is:"required"`
	Name   Expr     `key:"name" doc:"CEL over item, one of list's items; absent: the item itself"`
}

// RESTStatus is what a status means.
type RESTStatus struct {
	Is string `key:"is" is:"required" enum:"transient throttled ambiguous conflict not_found denied invalid unsupported"`
}

func (t *Target) checkREST(d *decoder, n *yaml.Node) {
	switch {
	case t.Connector == "rest" && t.REST == nil:
		d.fault(n, `connector rest lacks the key "rest" with its calls`)
	case t.Connector != "rest" && t.REST != nil:
		d.fault(keyNode(n, "rest"), "spec.rest is for connector rest, not %s", t.Connector)
	case t.REST != nil:
		for _, kind := range t.Entitlements {
			if _, ok := t.REST.Entitlements.Get(kind.Value); !ok {
				d.faults = append(d.faults, FaultAt(kind.Pos, "spec.rest.entitlements lacks the calls of %q", kind.Value))
			}
		}
		for _, e := range t.REST.Entitlements {
			if !t.Offers(e.Key.Value) {
				d.faults = append(d.faults, FaultAt(e.Key.Pos, "spec.rest.entitlements has %q, which spec.entitlements does not offer", e.Key.Value))
			}
		}
	}
}
