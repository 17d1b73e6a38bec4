// Package webhook takes records that are pushed as Standard Webhooks (standardwebhooks.com) at /in/webhook/{source}.
//
// It owns the signature, the replay window and the way from a body to records: one JSON object is one record, an array is
// one record each, all or none. It does not own the map to canonical records nor Kafka (package intake).
//
//	bounded, JSON media type -> webhook-timestamp within 5 min -> one v1 signature by one secret -> JSON -> map -> Kafka -> 202
//
// The webhook-id is the idempotency id of the record, with its place behind it in an array: what is sent again, by the
// sender or by who has overheard it, changes nothing. A push is acknowledged once Kafka has all of it; before that the
// sender hears 503 and sends again.
//
// A Handler is safe for concurrent use.
//
//	h, err := webhook.New(source, mapper, sink, clock, counter)
//	mux.Handle("POST /in/webhook/hr", h)
package webhook
