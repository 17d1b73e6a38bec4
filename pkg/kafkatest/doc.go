// Package kafkatest runs real Apache Kafka brokers for tests: one, or three that replicate, on loopback.
//
// Beside one, Cluster.Connect runs Kafka Connect with Debezium's connector for PostgreSQL.
//
// It owns the brokers' processes, ports and folders, and a cache of the jars: fetched once by Maven into the user's
// cache folder, with formatted data folders to copy and an archive of loaded classes, so that a broker is up in two
// seconds. It does not own topics or clients, and is not for production: data is thrown away with the test.
//
// A broker runs under a small shell that kills it when the test's process is gone, however that ended. Tests never skip:
// where Java or Maven is missing they fail and say what to install.
//
// A Cluster is used by the test's goroutine; Addrs by any.
//
//	cluster := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
//	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...))
//	...
//	cluster.Kill9(1)
//	cluster.Restart(1)
package kafkatest
