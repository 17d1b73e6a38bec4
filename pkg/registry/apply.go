package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"joinery.internal/schemas"
)

// Change is something that Apply did, or would do.
type Change struct {
	Subject string `json:"subject"`
	Action  string `json:"action"` // level, register
	Detail  string `json:"detail"`
}

// Apply makes the registry at url hold every version of the embedded schemas, under the level of each subject. It registers in order, so that the
// registry checks each version against those before it, and it never deletes. A dry run changes nothing and says what would be changed. After an error
// the changes done so far are returned; run it again.
func Apply(ctx context.Context, url string, dryRun bool) ([]Change, error) {
	client, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", url, err)
	}
	a := applier{client: client, dry: dryRun}
	for _, subject := range schemas.Subjects() {
		if err := a.subject(ctx, subject); err != nil {
			return a.changes, fmt.Errorf("apply schemas of %s to %s: %w", subject.Name, url, err)
		}
	}
	return a.changes, nil
}

type applier struct {
	client  *sr.Client
	dry     bool
	changes []Change
}

func (a *applier) subject(ctx context.Context, s schemas.Subject) error {
	if err := a.level(ctx, s.Name, LevelOf(s.Topic)); err != nil {
		return err
	}
	for i, avsc := range s.Versions {
		schema := sr.Schema{Schema: avsc, Type: sr.TypeAvro}
		_, err := a.client.LookupSchema(ctx, s.Name, schema)
		if err == nil {
			continue
		}
		if !isCode(err, codeSubject) && !isCode(err, codeSchema) {
			return fmt.Errorf("look up v%d: %w", i+1, err)
		}
		if err := a.register(ctx, s.Name, i+1, schema); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) register(ctx context.Context, subject string, version int, schema sr.Schema) error {
	if a.dry {
		found, err := a.client.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), subject, -1, schema)
		switch {
		case isCode(err, codeSubject) || isCode(err, codeVersion): // the first version has nothing to be compatible with
		case err != nil:
			return fmt.Errorf("check v%d: %w", version, err)
		case !found.Is:
			return fmt.Errorf("v%d is not compatible: %s", version, strings.Join(found.Messages, "; "))
		}
	} else if _, err := a.client.RegisterSchema(ctx, subject, schema, -1, -1); err != nil {
		return fmt.Errorf("register v%d: %w", version, err)
	}
	a.changes = append(a.changes, Change{Subject: subject, Action: "register", Detail: fmt.Sprintf("v%d", version)})
	return nil
}

func (a *applier) level(ctx context.Context, subject string, want Level) error {
	now := "none of its own"
	have := a.client.Compatibility(ctx, subject)[0]
	switch {
	case have.Err == nil && have.Level.String() == string(want):
		return nil
	case have.Err == nil:
		now = have.Level.String()
	case !isCode(have.Err, codeNoLevel) && !isCode(have.Err, codeSubject):
		return fmt.Errorf("read compatibility level: %w", have.Err)
	}
	if !a.dry {
		set := sr.SetCompatibility{}
		if err := set.Level.UnmarshalText([]byte(want)); err != nil {
			return err
		}
		if err := a.client.SetCompatibility(ctx, set, subject)[0].Err; err != nil {
			return fmt.Errorf("set compatibility level: %w", err)
		}
	}
	a.changes = append(a.changes, Change{Subject: subject, Action: "level", Detail: fmt.Sprintf("%s (was %s)", want, now)})
	return nil
}

func isCode(err error, code int) bool {
	var answer *sr.ResponseError
	return errors.As(err, &answer) && answer.ErrorCode == code
}
