// Package topics makes a cluster's topics match the list in schemas/topics.yaml.
//
// Plan compares and Apply changes: what is missing is created, settings that differ are altered. Nothing is ever deleted, and a partition
// count is never changed: people are spread over the partitions by a hash, so another count would send the same person elsewhere,
// out of order. A count that differs is a conflict that somebody has to resolve.
//
// The package owns the list's form and the comparison; topics it does not list are not its business. It holds no state.
//
//	specs, err := topics.Load()
//	changes, err := topics.Apply(ctx, kadm.NewClient(client), specs)
package topics
