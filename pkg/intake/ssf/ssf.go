package ssf

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
)

const (
	maxToken = 64 << 10         // bytes
	readWait = 10 * time.Second // for the token to arrive
)

// Options is what a Handler stands on.
type Options struct {
	Source  *config.Source
	Mapper  *intake.Mapper
	Sink    gate.Sink
	Clocks  gate.Clocks
	Counter *gate.Counter
}

// Handler takes the tokens of one source.
type Handler struct {
	o    Options
	keys *keyring
}

// New returns the handler of a source with intake.ssf. It does no I/O: the issuer's keys are read with the first token.
func New(o Options) (*Handler, error) {
	in := o.Source.Intake.SSF
	keys, err := newKeyring(in.Issuer, in.JWKS, o.Clocks.World)
	if err != nil {
		return nil, fmt.Errorf("open ssf of source %s: %w", o.Source.Name, err)
	}
	return &Handler{o, keys}, nil
}

// fault is the body of RFC 8935.
type fault struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source := h.o.Source.Name.Value
	err := h.take(w, r)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	refused := h.o.Counter.Refused(source, err)
	switch {
	case refused.Status == http.StatusBadRequest:
		code := refused.Reason
		if !slices.Contains([]string{invalidRequest, invalidKey, invalidIssuer, invalidAudience, authenticationFailed}, code) {
			code = invalidRequest
		}
		w.Header().Set("Content-Language", "en")
		gate.Write(w, refused.Status, "application/json", refused, fault{code, refused.Detail})
	default:
		gate.WriteProblem(w, r, refused)
	}
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return gate.Refuse(http.StatusMethodNotAllowed, "method", "a security event token is pushed with POST")
	}
	in := h.o.Source.Intake.SSF
	if !in.Token.IsZero() {
		if err := gate.Bearer(r, in.Token); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return err
		}
	}
	body, err := gate.Read(w, r, gate.Limits{Body: maxToken, Wait: readWait}, "application/"+tokenType)
	if err != nil {
		return err
	}
	set, err := parse(body)
	if err != nil {
		return err
	}
	payload, err := set.verify(r.Context(), h.keys)
	if err != nil {
		return err
	}
	t, err := check(payload, in.Issuer, in.Audience, h.o.Clocks.World.Now())
	if err != nil {
		return err
	}
	h.o.Counter.Heard(h.o.Source.Name.Value)
	return h.keep(r.Context(), t)
}

// keep hands what follows from a token to Kafka.
func (h *Handler) keep(ctx context.Context, t token) error {
	var records []event.SourceRecord
	var observed []string
	for _, eventType := range slices.Sorted(maps.Keys(t.events)) {
		details, _ := t.events[eventType].(map[string]any)
		if details == nil {
			details = map[string]any{}
		}
		name := nameOf(eventType)
		record, err := h.record(t, eventType, details)
		if err != nil {
			return err
		}
		if record.Kind == event.Observation {
			observed = append(observed, name)
		}
		records = append(records, record)
	}
	if err := gate.Put(ctx, h.o.Sink, records); err != nil {
		return err
	}
	for _, name := range observed {
		h.o.Counter.Observed(h.o.Source.Name.Value, name)
	}
	if len(records) > len(observed) {
		h.o.Counter.Taken(h.o.Source.Name.Value)
	}
	return nil
}

// record maps one event. Events about the stream itself, and what the map cannot place, are observations of nobody known.
func (h *Handler) record(t token, eventType string, details map[string]any) (event.SourceRecord, error) {
	name := nameOf(eventType)
	kind := kindOf(name, details, h.o.Source.Authority)
	document := recordOf(t, eventType, details, kind)
	origin := intake.Origin{ID: event.DeriveID("set", 0, t.id, eventType), At: h.o.Clocks.Dated(t.issued), Kind: kind}
	nobody := origin.Complete(event.SourceRecord{Source: h.o.Source.Name.Value, SourceKey: streamKey, Kind: event.Observation, Reason: name})
	if name == "verification" || name == "stream-updated" {
		return nobody, nil
	}
	record, err := h.o.Mapper.Map(document, origin)
	switch {
	case err != nil && kind == event.Observation && h.o.Source.Map.Kind.IsZero():
		return nobody, nil
	case err != nil:
		return record, refuse(invalidRequest, "the event does not fit the map of this source: %v", err)
	}
	record.Reason = cmp.Or(record.Reason, name)
	return record, nil
}

// streamKey stands for the worker where a token concerns none.
const streamKey = "stream"
