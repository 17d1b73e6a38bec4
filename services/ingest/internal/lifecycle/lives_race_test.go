//go:build race

package lifecycle_test

const histories = 5_000
