package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/common/model"

	"joinery.internal/pkg/event"
	"joinery.internal/services/demoapp"
)

// client speaks to the pipeline's API and looks into the bundled targets.
type client struct {
	console, targets string
	http             *http.Client
}

// call sends body as JSON (lines as they are) and decodes the answer into out. as is who acts; empty: nobody.
func (c client) call(ctx context.Context, method, url, as string, body, out any) error {
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		enc, err := json.Marshal(b)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		in = bytes.NewReader(enc)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if as != "" {
		req.Header.Set("Joinery-As", as)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, url, err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, url, res.Status, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s %s: decode answer: %w", method, url, err)
	}
	return nil
}

func (c client) api(ctx context.Context, method, path, as string, body, out any) error {
	return c.call(ctx, method, c.console+"/api/v1"+path, as, body, out)
}

// produce sends records in through the source topic.
func (c client) produce(ctx context.Context, records ...event.SourceRecord) error {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for _, r := range records {
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("encode record %s: %w", r.ID, err)
		}
	}
	var done struct{ Produced int }
	if err := c.api(ctx, "POST", "/produce?topic="+string(event.SourceRecords), "", lines.Bytes(), &done); err != nil {
		return err
	}
	if done.Produced != len(records) {
		return fmt.Errorf("produced %d of %d records", done.Produced, len(records))
	}
	return nil
}

// advanceTo moves the pipeline's clock to an instant, which must lie ahead.
func (c client) advanceTo(ctx context.Context, at time.Time) error {
	now, err := c.now(ctx)
	if err != nil {
		return err
	}
	return c.api(ctx, "POST", "/clock", "", map[string]string{"advance": model.Duration(at.Sub(now).Round(time.Millisecond)).String()}, nil)
}

// now is the pipeline's time.
func (c client) now(ctx context.Context) (time.Time, error) {
	var clock struct{ Now time.Time }
	err := c.api(ctx, "GET", "/clock", "", nil, &clock)
	return clock.Now, err
}

// look reads what a target really holds.
func (c client) look(ctx context.Context, target string) (demoapp.Snapshot, error) {
	var s demoapp.Snapshot
	err := c.call(ctx, "GET", c.targets+"/"+target+"/inspect", "", nil, &s)
	return s, err
}

func (c client) switchTo(ctx context.Context, target string, mode demoapp.Mode) error {
	return c.call(ctx, "POST", c.targets+"/"+target+"/switch", "", map[string]string{"mode": string(mode)}, nil)
}
