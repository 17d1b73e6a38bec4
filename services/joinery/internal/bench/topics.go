package bench

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// partitions of the pipeline's topics (schemas/topics.yaml), and so of the bare loop's.
const partitions = 6

func createTopics(ctx context.Context, client *kgo.Client, topics ...string) error {
	created, err := kadm.NewClient(client).CreateTopics(ctx, partitions, -1, nil, topics...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return fmt.Errorf("create topics of the bare loop: %w", err)
	}
	return nil
}
