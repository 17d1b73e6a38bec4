package drift

import (
	"cmp"
	"maps"
	"slices"

	"joinery.internal/pkg/connector"
)

// Finding is one difference of one account.
type Finding struct {
	Class   Class
	Account string
	Items   []string // attribute names or entitlements, sorted; "account" for the account itself
}

// account as an item: the account itself, or its name.
const wholeAccount = "account"

// differences says how an account differs from what it should be:
//
//	plan would     finding
//	create         missing account
//	grant          missing that entitlement
//	revoke         extra that entitlement
//	delete         extra account
//	disable        reenabled account
//	enable         attribute enabled
//	update         attribute, each that differs
//
// One finding per class, sorted by class.
func differences(r Row, have *connector.Object, l *Listing) []Finding {
	want := r.desired()
	if !l.Descriptor.ExternalID {
		want.ExternalID = ""
	}
	if have != nil && (!l.Descriptor.Rename || want.Account == "") {
		want.Account = have.Account
	}
	items := map[Class][]string{}
	for _, op := range connector.Plan(have, l.Normal(want)) {
		class, of := classify(op)
		items[class] = append(items[class], of...)
	}
	if have == nil && len(items) > 0 { // the account's entitlements go without saying
		items = map[Class][]string{Missing: {wholeAccount}}
	}
	name := cmp.Or(r.Account, r.Want.AccountName)
	if have != nil {
		name = have.Account
	}
	var out []Finding
	for _, class := range slices.Sorted(maps.Keys(items)) {
		slices.Sort(items[class])
		out = append(out, Finding{Class: class, Account: name, Items: items[class]})
	}
	return out
}

func classify(op connector.Op) (Class, []string) {
	switch op.Verb {
	case connector.Create:
		return Missing, []string{wholeAccount}
	case connector.Grant:
		return Missing, op.Want.Entitlements
	case connector.Revoke:
		return Extra, op.Want.Entitlements
	case connector.Delete:
		return Extra, []string{wholeAccount}
	case connector.Disable:
		return Reenabled, []string{wholeAccount}
	case connector.Enable:
		return Attribute, []string{"enabled"}
	default:
		names := slices.Collect(maps.Keys(op.Want.Attributes))
		if op.Want.Account != "" {
			names = append(names, wholeAccount)
		}
		if op.Want.ExternalID != "" {
			names = append(names, "external_id")
		}
		return Attribute, names
	}
}
