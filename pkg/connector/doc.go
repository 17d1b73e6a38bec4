// Package connector is how Joinery sees and changes a target system: the interface every connector implements, its
// error classes, and the level-triggered drive from what is there to what should be.
//
// It owns the vocabulary (Ref, Object, Op, Desired), the pure Plan and the read-plan-apply-read loop Drive. It does not
// own retries, limits, queues or evidence: those are the provisioner's. It never logs.
//
// A Connector is safe for concurrent use. Drive holds nothing between calls; the caller sees to it that one account is
// driven by one goroutine at a time.
//
//	c, err := open.Factory{}.Open(settings)
//	out, err := connector.Drive(ctx, c, intentID, connector.Desired{
//		Account: "ana.berg", ExternalID: "id-7", State: connector.Active,
//		Attributes: map[string]string{"title": "Engineer"},
//		Entitlements: []string{"group/engineering"}, ManagedKinds: []string{"group"},
//	})
package connector
