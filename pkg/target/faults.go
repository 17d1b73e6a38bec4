package target

import (
	"errors"
	"strings"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
)

// placeholder stands for a secret, which need not be where a folder is checked.
const placeholder = "a secret"

// Faults checks what the target files say to their connectors, without secrets and without a call: each key that a
// connector does not know, and what it refuses to open with. A target that dev completes (`demo:`) has its keys checked.
func Faults(targets []*config.Target) config.Faults {
	var all config.Faults
	for _, t := range targets {
		keys, ok := open.Keys(t.Connector)
		if !ok {
			continue // the shape of the file allows no other
		}
		if faults, wrong := errors.AsType[config.Faults](t.Connection.Only(keys...)); wrong {
			all = append(all, faults...)
			continue
		}
		if t.Connector == "memory" || strings.HasPrefix(t.Connection["url"].Text, "demo:") {
			continue
		}
		s := unresolved(t)
		c, err := open.Factory{}.Open(s)
		if err == nil {
			err = connector.Close(c)
		}
		if err != nil {
			all = append(all, config.FaultAt(place(t), "%s", reason(err)))
		}
	}
	return all
}

// reason is what a connector says, without the class.
func reason(err error) string {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func unresolved(t *config.Target) connector.Settings {
	s := settings(t)
	for key, v := range t.Connection {
		s.Connection[key] = v.Text
		if !v.Secret.IsZero() {
			s.Connection[key] = placeholder
		}
	}
	return s
}

// place is where the connection of a target file begins, or its name.
func place(t *config.Target) config.Pos {
	at := t.Name.Pos
	first := true
	for _, v := range t.Connection {
		if first || v.Line < at.Line || v.Line == at.Line && v.Column < at.Column {
			at, first = v.Pos, false
		}
	}
	return at
}
