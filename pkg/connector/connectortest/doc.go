// Package connectortest is the conformance kit: what every connector must do, whatever its target.
//
// It owns the expectations and the fault proxy. It knows nothing of any target: the harness starts it, empties it and
// looks into it out of band, that is, not through the connector under test. The parts run one after the other, since
// they share the target.
//
//	connectortest.Run(t, connectortest.Harness{
//		New:     func(t *testing.T) connector.Connector { … },
//		Reset:   func(t *testing.T) { … },
//		Inspect: func(t *testing.T) []connector.Object { … },
//		Kind:    "group", Attributes: [2]string{"title", "displayName"},
//	})
package connectortest
