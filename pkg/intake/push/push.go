// Package push puts the intakes that are pushed over HTTP together: each source with intake.webhook, intake.scim or
// intake.ssf gets its address under /in/.
//
//	/in/webhook/{source}      package webhook
//	/in/scim/{source}/v2/     package scimserver
//	/in/ssf/{source}          package ssf
//
// It owns the addresses and the connections to Kafka that the handlers share. It does not own how anything is checked.
// A Mount is safe for concurrent use; the secrets of sources are read again on every request, all else once.
//
//	in, err := push.Open(ctx, push.Options{Config: cfg, Stream: options})
//	defer in.Close()
//	mux.Handle("/in/", in)
package push

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/scimserver"
	"joinery.internal/pkg/intake/ssf"
	"joinery.internal/pkg/intake/webhook"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/stream"
)

// Options is what a Mount stands on.
type Options struct {
	Config *config.Config
	Stream stream.Options // its Clock is the pipeline's
	World  gate.Clock     // what senders sign by; nil: the machine's
}

// Mount answers everything under /in/.
type Mount struct {
	o       Options
	mux     *http.ServeMux
	sink    *intake.Sink
	ledger  *scimserver.Ledger
	counter *gate.Counter
	bundle  *policy.Bundle
}

// Open makes the handlers of all sources that are pushed. Without any, it connects to nothing, and every address is
// unknown.
func Open(ctx context.Context, o Options) (*Mount, error) {
	if o.World == nil {
		o.World = gate.Machine{}
	}
	if o.Stream.Clock == nil {
		o.Stream.Clock = o.World
	}
	m := &Mount{o: o, mux: http.NewServeMux(), counter: gate.NewCounter(o.Stream.Metrics, o.Stream.Log)}
	m.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		gate.WriteProblem(w, r, gate.Refuse(http.StatusNotFound, "path", "no source takes anything at this address; see spec.intake of sources/*.yaml"))
	})
	for _, s := range o.Config.Sources {
		if err := m.add(ctx, s); err != nil {
			m.Close()
			return nil, fmt.Errorf("open intake of source %s: %w", s.Name, err)
		}
	}
	return m, nil
}

// add makes the handler of a source, if it is pushed.
func (m *Mount) add(ctx context.Context, s *config.Source) error {
	if s.Intake.Webhook == nil && s.Intake.SCIM == nil && s.Intake.SSF == nil {
		return nil
	}
	mapper, err := m.mapper(s)
	if err != nil {
		return err
	}
	m.counter.Meter(s.Name.Value, intake.NewMeter(m.o.Stream.Metrics, s.Name.Value, s.ExpectEvery))
	if s.Intake.SCIM != nil {
		if m.ledger == nil {
			if m.ledger, err = scimserver.OpenLedger(ctx, m.o.Stream); err != nil {
				return err
			}
		}
		path := "/in/scim/" + s.Name.Value + "/v2"
		m.mux.Handle(path+"/", scimserver.New(scimserver.Options{Source: s, Path: path, Mapper: mapper, Ledger: m.ledger, Clock: m.o.Stream.Clock, NewID: uuid.NewString, Counter: m.counter}))
		return nil
	}
	if m.sink == nil {
		if m.sink, err = intake.OpenSink(ctx, m.o.Stream); err != nil {
			return err
		}
	}
	clocks := gate.Clocks{World: m.o.World, Pipeline: m.o.Stream.Clock}
	if s.Intake.Webhook != nil {
		h, err := webhook.New(webhook.Options{Source: s, Mapper: mapper, Sink: m.sink, Clocks: clocks, Counter: m.counter})
		if err != nil {
			return err
		}
		m.mux.Handle("/in/webhook/"+s.Name.Value, h)
		return nil
	}
	h, err := ssf.New(ssf.Options{Source: s, Mapper: mapper, Sink: m.sink, Clocks: clocks, Counter: m.counter})
	if err != nil {
		return err
	}
	m.mux.Handle("/in/ssf/"+s.Name.Value, h)
	return nil
}

// mapper returns the mapper of a source; the configuration is compiled for the first.
func (m *Mount) mapper(s *config.Source) (*intake.Mapper, error) {
	if m.bundle == nil {
		bundle, err := policy.Compile(m.o.Config)
		if err != nil {
			return nil, err
		}
		m.bundle = bundle
	}
	return intake.NewMapper(m.bundle, s.Name.Value)
}

func (m *Mount) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Close ends the connections to Kafka. What was acknowledged is safe.
func (m *Mount) Close() {
	if m.ledger != nil {
		m.ledger.Close()
	}
	if m.sink != nil {
		m.sink.Close()
	}
}
