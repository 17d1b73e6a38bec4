package stream

import (
	"encoding/binary"
	"strings"
)

// Partition is where a key belongs among n partitions: Kafka's default (murmur2), over the part before the first
// '|', so that `identity_id|target` stays with its person.
func Partition(key string, n int32) int32 {
	owner, _, _ := strings.Cut(key, "|")
	return int32(murmur2(owner)&0x7fffffff) % n
}

// murmur2 is Kafka's hash of keys.
func murmur2(s string) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(s))
	b := []byte(s)
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>24)*m
	}
	for i := len(b) - 1; i >= 0; i-- {
		h ^= uint32(b[i]) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
