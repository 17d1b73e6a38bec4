//go:build !race

package lifecycle_test

// histories are how many random lives are compared with the reference model; with the race detector there are fewer.
const histories = 100_000
