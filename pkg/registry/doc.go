// Package registry is the schema registry of a pipeline that has no other: a small server that speaks the Confluent API, keeps its data
// in a folder and truly checks compatibility. It also holds the rules our own schemas obey, whichever registry they go to.
//
//	Registry            the server: Open, ServeHTTP, Close
//	Level.Check         whether a schema may follow others; through twmb/avro, which follows the Avro specification
//	Apply               registers the embedded schemas in any registry (`joinery schemas apply`)
//	CheckAll            checks them among themselves, offline (`joinery schemas check`)
//
// Every change is one JSON line in schemas.jsonl, synced before it is answered, and read back by Open; a line torn by a crash was never answered
// and is cut off. One process has the folder at a time. Avro without references is served, mode is always READWRITE; anything
// else is refused with the API's own error codes.
//
// A Registry is safe for concurrent use.
//
//	reg, err := registry.Open(dir)
//	defer reg.Close()
//	go http.Serve(listener, reg)
//	changes, err := registry.Apply(ctx, "http://"+listener.Addr().String(), false)
package registry
