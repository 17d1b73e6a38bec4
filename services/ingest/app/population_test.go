//go:build !race

package app_test

// defaultPopulation is of the history that is loaded where nothing else is asked for.
const defaultPopulation = 3000

// defaultBacklog is how many bulk records an emergency overtakes.
const defaultBacklog = 50_000
