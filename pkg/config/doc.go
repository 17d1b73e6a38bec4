// Package config reads the folder a user writes (joinery.yaml, sources/, targets/, policy/) into typed values.
//
// It owns the shape of the files: which keys there are, what each may hold, and where in a file every value
// stands. A file is read to its end and every fault in it is reported, each as file:line:column. It does not own
// what the files mean together: expressions are kept as text with their place, and pkg/policy compiles them and
// checks that names refer to something.
//
// The Go types are the only description of the format: their tags (key, is, enum, default, min, max, like, doc)
// drive the decoder and the JSON Schema for editors alike.
//
// Nothing here keeps state; values are safe for concurrent reading.
//
//	cfg, err := config.LoadDir("deploy/examples/acme")
//	if faults, ok := errors.AsType[config.Faults](err); ok {
//		for _, f := range faults {
//			fmt.Println(f) // policy/corp.yaml:12:20: unknown key "grace-period" in spec.lifecycle.mover
//		}
//	}
package config
