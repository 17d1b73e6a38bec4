// Package process measures the reconciler as a process of its own: what a sweep of a large target takes of time and
// memory, broker and runtime included. It owns the company that is swept; command worker is the process.
//
//	go test -v ./reconciler/process
package process

import (
	"fmt"
	"strings"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// Accounts is how many the company has.
const Accounts = 100_000

// Target is what the target with them is called.
const Target = "chat"

var notes = strings.Repeat("n", 300)

// Want is what the n-th account should be: some 600 bytes.
func Want(n int) event.Desired {
	id := fmt.Sprintf("id-%06d", n)
	return event.Desired{IdentityID: event.IdentityID(id), Target: Target, Version: 1, State: event.AccountActive, AccountName: "name-" + id,
		Attributes: map[string]string{"title": "Engineer", "notes": notes}, Entitlements: []string{"group/engineering", "group/staff"}, Kinds: []string{"group"}}
}

// Have is the account as the provisioner left it.
func Have(n int) connector.Object {
	d := Want(n)
	return connector.Object{Ref: connector.Ref{Account: d.AccountName, ExternalID: string(d.IdentityID), RemoteID: fmt.Sprintf("r%06d", n)}, Enabled: true,
		Attributes: d.Attributes, Entitlements: d.Entitlements}
}

// Gone says whether somebody has deleted the n-th account since.
func Gone(n int) bool { return n%1000 == 0 }
