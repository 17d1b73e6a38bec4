package target

import (
	"strconv"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
)

// rest turns the rest section of a target file into what its connector takes.
func rest(r *config.REST) *connector.REST {
	if r == nil {
		return nil
	}
	out := &connector.REST{
		Account: connector.RESTAccount{ID: r.Account.ID.Text, Account: r.Account.Account.Text, ExternalID: r.Account.ExternalID.Text,
			Enabled: r.Account.Enabled.Text, Attributes: texts(r.Account.Attributes)},
		Calls: map[string]connector.RESTCall{
			"get": call(r.Calls.Get), "find": call(r.Calls.Find), "create": call(r.Calls.Create), "update": call(r.Calls.Update),
			"enable": call(r.Calls.Enable), "disable": call(r.Calls.Disable),
		},
		Entitlements: map[string]connector.RESTEntitlement{}, Statuses: map[int]connector.Class{},
		Paging: r.Paging, Conditional: r.Conditional,
	}
	if r.Calls.List != nil {
		out.Calls["list"] = call(*r.Calls.List)
	}
	if r.Calls.Delete != nil {
		out.Calls["delete"] = call(*r.Calls.Delete)
	}
	for kind, e := range r.Entitlements.All() {
		out.Entitlements[kind] = connector.RESTEntitlement{List: call(e.List), Grant: call(e.Grant), Revoke: call(e.Revoke), Name: e.Name.Text}
	}
	for status, s := range r.Statuses.All() {
		if n, err := strconv.Atoi(status); err == nil { // what is no number never comes
			out.Statuses[n] = connector.Class(s.Is)
		}
	}
	return out
}

func call(c config.RESTCall) connector.RESTCall {
	return connector.RESTCall{Method: c.Method, Path: c.Path, Query: texts(c.Query), Headers: texts(c.Headers),
		Body: c.Body.Text, Item: c.Item.Text, Items: c.Items.Text, Next: c.Next.Text}
}

func texts(m config.Map[config.Expr]) map[string]string {
	out := map[string]string{}
	for name, x := range m.All() {
		out[name] = x.Text
	}
	return out
}
