package ssf

import (
	"maps"
	"strings"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// Families of event types.
const (
	riscPrefix = "https://schemas.openid.net/secevent/risc/event-type/"
	caepPrefix = "https://schemas.openid.net/secevent/caep/event-type/"
	ssfPrefix  = "https://schemas.openid.net/secevent/ssf/event-type/"
	scimPrefix = "urn:ietf:params:scim:event:"
)

// nameOf is the short name of an event type, such as account-disabled or prov:create:full. An unknown type is other: the
// set of names is closed.
func nameOf(eventType string) string {
	for _, prefix := range []string{riscPrefix, caepPrefix, ssfPrefix} {
		if name, ok := strings.CutPrefix(eventType, prefix); ok && known[name] {
			return name
		}
	}
	if name, ok := strings.CutPrefix(strings.ToLower(eventType), scimPrefix); ok && known[name] {
		return name
	}
	return "other"
}

var known = map[string]bool{
	"account-credential-change-required": true, "account-disabled": true, "account-enabled": true, "account-purged": true,
	"credential-compromise": true, "identifier-changed": true, "identifier-recycled": true, "recovery-activated": true,
	"session-revoked": true, "credential-change": true, "token-claims-change": true, "assurance-level-change": true,
	"device-compliance-change": true, "session-established": true, "session-presented": true, "risk-level-change": true,
	"verification": true, "stream-updated": true,
	"feed:add": true, "feed:remove": true, "prov:create:notice": true, "prov:create:full": true, "prov:patch:notice": true,
	"prov:patch:full": true, "prov:put:notice": true, "prov:put:full": true, "prov:delete": true, "prov:activate": true,
	"prov:deactivate": true, "misc:asyncresp": true,
}

// kindOf is what an event means if the map of the source does not say.
//
//	event                     signal       employment   profile
//	account-disabled          emergency    emergency
//	credential-compromise     emergency    emergency
//	session-revoked           emergency, unless the user ended the session
//	prov:create:full, put     -            upsert       upsert
//	prov:activate             -            resume
//	prov:deactivate           -            suspend
//	prov:delete               -            terminate
//	all others                -            -            -
func kindOf(name string, details map[string]any, authority config.Authority) event.RecordKind {
	switch name {
	case "account-disabled", "credential-compromise":
		if authority != config.AuthorityProfile {
			return event.Emergency
		}
	case "session-revoked":
		if authority != config.AuthorityProfile && details["initiating_entity"] != "user" {
			return event.Emergency
		}
	case "prov:create:full", "prov:put:full":
		if authority != config.AuthoritySignal {
			return event.Upsert
		}
	}
	ends := map[string]event.RecordKind{"prov:activate": event.Resume, "prov:deactivate": event.Suspend, "prov:delete": event.Terminate}
	if kind, ok := ends[name]; ok && authority == config.AuthorityEmployment {
		return kind
	}
	return event.Observation
}

// recordOf is what the map of a source sees of one event: everything has a place, so that no expression fails on what is
// not there.
func recordOf(t token, eventType string, details map[string]any, kind event.RecordKind) map[string]any {
	subject := t.subject
	if subject == nil { // before SSF 1.0 the subject was in the event
		subject = details["subject"]
	}
	data, _ := details["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
	}
	return map[string]any{"event": nameOf(eventType), "type": eventType, "kind": string(kind), "jti": t.id, "iat": t.claims["iat"], "iss": t.claims["iss"],
		"txn": t.claims["txn"], "toe": t.claims["toe"], "subject": subjectOf(subject), "details": details, "data": data}
}

// subjectOf lays a subject identifier (RFC 9493) flat: of the formats account, email, iss_sub, opaque, phone_number, did,
// uri and scim, of aliases the identifiers together, of a complex subject the user. Its key names the subject by what it
// was given with first.
func subjectOf(v any) map[string]any {
	out := map[string]any{"email": "", "phone_number": "", "iss": "", "sub": "", "id": "", "uri": "", "url": "", "account": "", "externalId": "", "key": ""}
	flatten(v, out, 0)
	for _, name := range []string{"email", "externalId", "sub", "id", "account", "uri", "url", "phone_number"} {
		if value, _ := out[name].(string); value != "" {
			out["key"] = value
			if name == "sub" {
				out["key"] = out["iss"].(string) + "|" + value
			}
			return out
		}
	}
	return out
}

func flatten(v any, out map[string]any, depth int) {
	subject, ok := v.(map[string]any)
	if !ok || depth > 2 {
		return
	}
	if user, ok := subject["user"]; ok { // a complex subject: what else it names is a device, a session, a tenant
		flatten(user, out, depth+1)
		return
	}
	if list, ok := subject["identifiers"].([]any); ok {
		for _, one := range list {
			flatten(one, out, depth+1)
		}
		return
	}
	for name := range maps.Keys(out) {
		if value, ok := subject[name].(string); ok && out[name] == "" && name != "key" {
			out[name] = value
		}
	}
	if phone, ok := subject["phone"].(string); ok && out["phone_number"] == "" { // RISC before RFC 9493
		out["phone_number"] = phone
	}
	if uri, ok := subject["uri"].(string); ok && out["account"] == "" {
		if account, ok := strings.CutPrefix(uri, "acct:"); ok {
			out["account"], out["uri"] = account, ""
		}
	}
}
