package app

import (
	"testing"
	"time"

	"joinery.internal/pkg/config"
)

func TestATargetThatPeopleChangeIsSweptOnDemandOnly(t *testing.T) {
	t.Parallel()
	for connector, every := range map[string]time.Duration{"ticket": 0, "scim": time.Hour} {
		got := targetsOf([]*config.Target{{Connector: connector, Reconcile: config.Reconcile{Every: time.Hour}}})
		if len(got) != 1 || got[0].Every != every {
			t.Errorf("%s: %+v, want every %s", connector, got, every)
		}
	}
}
