package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
)

const (
	maxRecords = 1000 // of one push
	maxFaults  = 20   // told of one push
)

// Options is what a Handler stands on.
type Options struct {
	Source  *config.Source
	Mapper  *intake.Mapper
	Sink    gate.Sink
	Clocks  gate.Clocks
	Counter *gate.Counter
}

// Handler takes the pushes of one source.
type Handler struct{ o Options }

// New returns the handler of a source with intake.webhook. It fails if there is no secret that can be used; later changes
// of the secret are seen by themselves.
func New(o Options) (*Handler, error) {
	h := &Handler{o}
	if _, err := h.keys(); err != nil {
		return nil, fmt.Errorf("open webhook of source %s: %w", o.Source.Name, err)
	}
	return h, nil
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source := h.o.Source.Name.Value
	n, err := h.take(w, r)
	if err != nil {
		gate.WriteProblem(w, r, h.o.Counter.Refused(source, err))
		return
	}
	h.o.Counter.Taken(source)
	gate.Write(w, http.StatusAccepted, "application/json", nil, map[string]int{"records": n})
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return 0, gate.Refuse(http.StatusMethodNotAllowed, "method", "a webhook is a POST")
	}
	body, err := gate.Read(w, r, gate.Default, "application/json")
	if err != nil {
		return 0, err
	}
	keys, err := h.keys()
	if err != nil {
		return 0, gate.Unavailable("the secret of this source cannot be used", err)
	}
	e, err := readEnvelope(r.Header, h.o.Clocks.World.Now())
	if err != nil {
		return 0, err
	}
	if !e.verify(keys, body) {
		return 0, gate.Refuse(http.StatusUnauthorized, "signature", "no signature of webhook-signature is by a secret of this source")
	}
	h.o.Counter.Heard(h.o.Source.Name.Value)
	records, err := h.records(e, body)
	if err != nil {
		return 0, err
	}
	if err := gate.Put(r.Context(), h.o.Sink, records); err != nil {
		return 0, err
	}
	return len(records), nil
}

func (h *Handler) keys() ([][]byte, error) {
	secrets, err := gate.Secrets(h.o.Source.Intake.Webhook.Secret)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for _, s := range secrets {
		k, err := key(s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// records maps the body of a push: all of it, or none with every fault named by its place.
func (h *Handler) records(e envelope, body []byte) ([]event.SourceRecord, error) {
	items, batch, err := read(body)
	if err != nil {
		return nil, err
	}
	var records []event.SourceRecord
	refused := gate.Refuse(http.StatusUnprocessableEntity, "record", "nothing of the push was taken, since not all of it fits the map of this source")
	for i, item := range items {
		id := e.id
		if batch {
			id += "/" + strconv.Itoa(i)
		}
		record, err := h.record(item, id, e)
		if err != nil {
			refused.Errors = append(refused.Errors, fmt.Sprintf("record %d: %v", i, err))
			if len(refused.Errors) == maxFaults {
				break
			}
		}
		records = append(records, record)
	}
	if len(refused.Errors) > 0 {
		return nil, refused
	}
	return records, nil
}

// read reads the body: the objects, and whether it is an array of them.
func read(body []byte) (items []any, batch bool, err error) {
	value, err := gate.Decode(body)
	if err != nil {
		return nil, false, err
	}
	items, batch = value.([]any)
	if !batch {
		items = []any{value}
	}
	if len(items) > maxRecords {
		return nil, false, gate.Refuse(http.StatusRequestEntityTooLarge, "too_large", "the push has more than %d records; send it in parts", maxRecords)
	}
	return items, batch, nil
}

func (h *Handler) record(item any, id string, e envelope) (event.SourceRecord, error) {
	object, ok := item.(map[string]any)
	if !ok {
		return event.SourceRecord{}, errors.New("it is no object")
	}
	return h.o.Mapper.Map(object, intake.Origin{ID: id, At: h.o.Clocks.Dated(e.sentAt)})
}
