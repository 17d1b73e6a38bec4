// Package process proves the last mile with real processes: its tests kill the provisioner and the reconciler at every
// step of their protocol while a target misbehaves in every way, and judge the end by the target's own accounts and journal.
//
//	provisioner, reconciler (package worker)  --Kafka-->  broker
//	        |
//	      gate     refuses, hangs, drips, loses answers; kills the process when a request or an answer passes
//	        |
//	      front    (HTTP, LDAP) throttles, errs after it acted, lies, refuses old credentials, cuts listings short
//	        |
//	      target   keeps a journal of effective changes
//
// It owns the faults, the targets they meet, and the verdict: the right end state, no change made twice, at rest within
// a minute. The processes are the real services; where they die is said by package failpoint. A connector enters the matrix by
// a row in targets_test.go.
//
//	go test ./provisioner/process                                   the matrix: some places under each fault
//	JOINERY_SOAK=1 go test -timeout 1h ./provisioner/process        all places under all faults
//	JOINERY_OUTAGE=60s go test ./provisioner/process -run Outage    a target down for a minute
package process
