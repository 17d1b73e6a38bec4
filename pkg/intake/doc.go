// Package intake is the one path from a foreign system to the pipeline, whatever the system speaks:
//
//	bytes --adapter--> foreign record --Mapper--> event.SourceRecord --Sink--> jml.source.record.v1
//	             \                  \ what the map cannot take
//	              \ what is no record ----------------------------Sink--> jml.source.reject.v1 --> jml.dlq.v1
//
// An adapter (a package of its own under this one, or an HTTP handler of the console) knows how records arrive; Mapper
// knows what a source's map makes of them; Sink returns when Kafka has them. Nothing is acknowledged to a foreign system
// - no offset moved, no file filed away, no cookie kept, no 2xx sent - before that.
//
// Records may come again: after a crash, a repeated call, a second delivery. That is harmless as long as the same record
// has the same id, for ingest drops what it has seen. So ids derive from the record's place or content, never from chance.
//
// It owns that path, the bounds of what is read from outside, and the metrics of sources. It does not own what records
// mean (service ingest), the shape of sources (pkg/config), or expressions (pkg/policy). A Mapper and a Sink are safe for
// concurrent use.
//
//	mapper, err := intake.NewMapper(bundle, "hr")
//	sink, err := intake.OpenSink(ctx, options)
//	doc, err := intake.ParseObject(body)
//	record, err := mapper.Map(doc, intake.Origin{ID: "delivery-7", At: received})
//	if f, bad := errors.AsType[*intake.Fault](err); bad {
//		err = sink.Reject(ctx, event.Reject{ID: "delivery-7", Source: "hr", Class: f.Class, Message: f.Error(), Value: body})
//	} else {
//		err = sink.Put(ctx, []event.SourceRecord{record})
//	}
package intake
