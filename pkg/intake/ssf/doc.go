// Package ssf receives security event tokens (SET, RFC 8417) by push (RFC 8935) at /in/ssf/{source}: Shared Signals, CAEP,
// RISC and the SCIM events of RFC 9967.
//
// It owns the check of a token (type, asymmetric signature by a key of the issuer, issuer, audience, times), the keys of the
// issuer, and what each event means if the source's map does not say. It does not own the map nor Kafka (package intake).
//
//	secevent+jwt -> keys of the issuer by kid -> iss, aud, iat -> events -> record -> map -> Kafka -> 202
//
// A signal never changes who is employed: of a source with authority signal, an event is an emergency or an observation.
// An observation is a record from which nothing follows but a row of evidence. The token's id (jti) is
// the idempotency id of the record and its time (iat) the record's: a token that comes again changes nothing, whenever.
//
// Faults are told as RFC 8935 says: 400 with err and description; 503 when keys or Kafka are out of reach.
//
// A Handler is safe for concurrent use.
//
//	h, err := ssf.New(ssf.Options{Source: source, Mapper: mapper, Sink: sink, Clocks: clocks, Counter: counter})
//	mux.Handle("/in/ssf/idp", h)
package ssf
