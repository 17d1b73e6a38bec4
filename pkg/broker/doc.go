// Package broker is the embedded Kafka of development: kfake, in a child process of its own with a data folder.
//
// In a process of its own, because kfake is exactly-once across the death of its clients and across its own clean stop, but not across a
// kill of itself. So the pipeline may be killed at any moment: the child sees its pipe close, writes everything down and ends (package
// child). Real clusters are for production; nothing here is.
//
//	DIR/kafka/        kfake's data
//	DIR/port          the port of the last life, taken again when it is free
//	DIR/broker.log    what the child said
//	DIR/LOCK          one broker at a time: a new one waits for the last to finish its shutdown
//
// What differs from kfake as it comes: one broker, no topics by themselves, offsets and transactional ids kept for years rather than a
// week (a pipeline that lay unused must not begin anew), and no compaction at all: kfake's loses committed records in two ways. It counts
// an open transaction's record as the successor of a committed one, which is gone if that transaction then aborts. And it drops the marker
// of an abort but keeps the abort in its index, so that readers of committed records pass over all that this producer commits later.
//
// Known limits: compacted topics keep every version, so a folder grows with its use, and a restore reads them all. A kill of the broker
// itself may lose or repeat records.
//
// Broker is safe for concurrent use.
//
//	b, err := broker.Open(ctx, broker.Options{Dir: dir, SelfExe: []string{exe, "broker-host"}})
//	defer b.Close()
//	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
package broker
