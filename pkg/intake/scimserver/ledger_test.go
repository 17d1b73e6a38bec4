package scimserver_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/event"
)

func TestAConsoleThatComesLaterKnowsAllAndNamesStayUnique(t *testing.T) {
	t.Parallel()
	first := start(t)
	id := first.must(http.StatusCreated, "POST", first.url+"/Users", user("ada")).text("id")
	gone := first.must(http.StatusCreated, "POST", first.url+"/Users", user("bo")).text("id")
	first.must(http.StatusNoContent, "DELETE", first.url+"/Users/"+gone, nil)

	second := at(t, first.World, patience)
	second.must(http.StatusOK, "GET", second.url+"/Users/"+id, nil)
	second.must(http.StatusNotFound, "GET", second.url+"/Users/"+gone, nil)
	second.must(http.StatusConflict, "POST", second.url+"/Users", user("ADA"))
	second.must(http.StatusCreated, "POST", second.url+"/Users", user("cyd"))

	// The first has been fenced: it cannot write without knowing of cyd.
	first.must(http.StatusCreated, "POST", first.url+"/Users", user("dov"))
	first.must(http.StatusConflict, "POST", first.url+"/Users", user("cyd"))
	second.must(http.StatusConflict, "POST", second.url+"/Users", user("dov"))
	if n := len(first.Said(5)); n != 5 {
		t.Errorf("%d records of ada, bo (twice), cyd and dov", n)
	}
}

func TestWritesAtOnceMakeEachNameOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	var wait sync.WaitGroup
	var mu sync.Mutex
	made := map[int]int{}
	for i := range 30 {
		wait.Go(func() {
			res := w.call("POST", w.url+"/Users", user(fmt.Sprint("u", i%10)))
			mu.Lock()
			defer mu.Unlock()
			made[res.StatusCode]++
		})
	}
	wait.Wait()
	if made[http.StatusCreated] != 10 || made[http.StatusConflict] != 20 {
		t.Errorf("answers: %v", made)
	}
}

func TestNothingIsAcknowledgedOrKeptThatKafkaDoesNotTake(t *testing.T) {
	t.Parallel()
	for _, fault := range []kfake.Fault{
		{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(event.SourceRecords), Err: kerr.MessageTooLarge, Count: 1},
		{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.InvalidTxnState, Count: 1},
	} {
		w := start(t)
		w.must(http.StatusCreated, "POST", w.url+"/Users", user("ada"))
		w.Broker.Fault(fault)
		if res := w.call("POST", w.url+"/Users", user("bo")); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Fatalf("%v: %d %s", fault.Keys, res.StatusCode, res.raw)
		}
		if got := w.must(http.StatusOK, "GET", w.url+"/Users?filter=userName+eq+%22bo%22", nil); got.text("totalResults") != "0" {
			t.Errorf("%v: what was refused is there: %s", fault.Keys, got.raw)
		}
		w.must(http.StatusCreated, "POST", w.url+"/Users", user("bo"))
		if n := len(w.Said(2)); n != 2 {
			t.Errorf("%v: %d records, want one of each", fault.Keys, n)
		}
	}
}
