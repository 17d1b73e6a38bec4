// Package event is the vocabulary of the pipeline: ids, the person, and the typed records of every topic.
//
// It owns names and shapes, nothing else: no I/O, no clock, no encoding (pkg/wire turns records into bytes).
package event
