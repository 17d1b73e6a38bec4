package scimserver_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/intake/intaketest"
)

func TestABrokerThatDoesNotAnswerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := at(t, intaketest.New(t), time.Second)
	w.Broker.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		<-t.Context().Done() // the broker does nothing until the test is over
		return nil, nil, false
	})
	began := time.Now()
	res := w.call("POST", w.url+"/Users", user("bo"))
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("after %s: %d %s", time.Since(began), res.StatusCode, res.raw)
	}
}
