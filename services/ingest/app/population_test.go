//go:build !race

package app_test

// defaultPopulation is of the history that is loaded where nothing else is asked for.
const defaultPopulation = 3000
