// Package process proves the stream runtime with real processes on real Kafka: its tests kill, stop, cut and restart
// workers, brokers and connections while records flow, and judge all that was written by the inputs alone.
//
// It owns the topology that the workers run, which has one of everything: state, a chained and a rekeyed output, timers,
// effects, poison; package worker is its program. The tests own the brokers (package kafkatest), the faults and the
// verdict. Topology is pure; its Reach is called by the goroutines that the runtime uses.
//
// Brokers are killed and restarted in a cluster of three only. Kafka up to 4.3.1 is not exactly-once across a restart of a
// broker that is the only replica, even in order: partitions have no leader for a moment, the transaction coordinator
// takes them for deleted and skips their markers, and the transaction is open for ever, or ends with the next one.
//
// They take minutes, and have a build tag of their own; `make check` sets it, `make soak` runs ten times as many:
//
//	go test -tags process ./stream/process                      more than 300 faults
//	JOINERY_SEED=7 go test -tags process ./stream/process       another order of faults
//	JOINERY_SOAK=20 go test -tags process ./stream/process      20 times as many
//	JOINERY_KEYS=2000000 go test -tags process -run AtOnce ...  the restart of a worker with a million keys of 1 KB
package process
