//go:build race

package app_test

const defaultPopulation = 500

const defaultBacklog = 10_000
