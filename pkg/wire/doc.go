// Package wire turns records into bytes and back.
//
// On the wire a value is Avro in Confluent framing: a zero byte, the schema's id in the registry (4 bytes, big endian), the record.
// There are two ways through the package, and they never mix:
//
//   - Our own records (Encode, Decode, EncodeJSON) go by topic. The writer's schema is the newest of the module schemas; the bytes of any
//     older or newer version are resolved to it by twmb/avro, which knows defaults, added, removed and reordered fields.
//   - Records of any schema (DecodeJSON) are read by the schema they were written with, through goavro, into plain JSON. goavro knows no
//     resolution: bytes read with another schema than their own would silently come out with their fields swapped. So there is no
//     way to give it one.
//
// Producers look their schema up, they never register it: that is what `joinery schemas apply` does (package registry).
//
// The package owns framing, look-up and its caches, and the classes of what can be wrong with a value. It owns neither topics nor what
// the records mean. Serde, Client and the static registry are safe for concurrent use; what is cached is one entry per schema.
//
//	serde := wire.New(client)
//	value, err := serde.Encode("jml.identity.fact.v1", &fact)
//	var got event.Fact
//	if err := serde.Decode(value, "jml.identity.fact.v1", &got); wire.Class(err) != "" {
//		// poison: dead letter of that class. Any other error: try again
//	}
package wire
