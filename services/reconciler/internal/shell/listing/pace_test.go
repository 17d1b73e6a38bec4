package listing_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/services/reconciler/internal/shell/listing"
)

// chatty asks once for each of 30 accounts of a page, which takes a moment.
type chatty struct{ *memory.Target }

func (c chatty) List(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	for range 30 {
		if err := connector.Pace(ctx); err != nil {
			return connector.Page{}, err
		}
		select {
		case <-time.After(900 * time.Millisecond):
		case <-ctx.Done():
			return connector.Page{}, connector.ContextError(ctx, "list", false)
		}
	}
	return c.Target.List(ctx, req)
}

func TestAPageOfManyRequestsKeepsToTheRateAndHasTheTimeThatEachOfThemHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := listing.Source{Open: func() (connector.Connector, error) { return chatty{memory.NewTarget()}, nil }, Timeout: time.Second, Rate: 0.5}
		b := listing.New(map[string]listing.Source{"chat": source}, machine{}, six, "")
		defer b.Close()
		began := time.Now()
		if _, err := b.Take(t.Context(), "s1", "chat"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 58*time.Second {
			t.Errorf("30 requests at one every two seconds took %s", took)
		}
	})
}
