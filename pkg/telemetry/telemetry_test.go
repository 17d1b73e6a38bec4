package telemetry_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"joinery.internal/pkg/telemetry"
)

func TestAPartThatIsStartedAgainGoesOnCounting(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	for range 2 {
		telemetry.Of(reg, "stream", prometheus.Labels{"topology": "approval"}).Counter("records_total", "Records.").Inc()
	}
	telemetry.Of(reg, "stream", prometheus.Labels{"topology": "ingest"}).Counter("records_total", "Records.").Inc()
	telemetry.Of(nil, "stream", nil).Counter("records_total", "Records.").Inc() // for nobody
	want := `# HELP joinery_stream_records_total Records.
# TYPE joinery_stream_records_total counter
joinery_stream_records_total{topology="approval"} 2
joinery_stream_records_total{topology="ingest"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
