package stream

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Partition is where a key belongs among n partitions: Kafka's default (murmur2), over the part before the first
// '|', so that `identity_id|target` stays with its person.
func Partition(key string, n int32) int32 {
	owner, _, _ := strings.Cut(key, "|")
	p := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return int32(p.Partition(&kgo.Record{Key: []byte(owner)}, int(n)))
}
