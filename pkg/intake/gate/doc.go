// Package gate is what everything pushed over HTTP passes before anything of ours reads it.
//
//	media type, charset, coding -> size, time to arrive -> UTF-8 -> JSON, bounded in depth (package intake)
//
// It owns the bounds, the refusals and how they are told (RFC 9457) and counted. It does not own who may push (signature,
// bearer token) or what is in it: those are the packages webhook, scimserver and ssf. Nothing that was pushed is repeated
// in a refusal, so that problems, logs and metrics carry no personal data.
//
// All of it is safe for concurrent use.
//
//	body, err := gate.Read(w, r, gate.Limits{Body: 1 << 20, Wait: 10 * time.Second}, "application/json")
//	value, err := gate.Decode(body)
//	gate.WriteProblem(w, r, err)
package gate
