//go:build race

package app_test

const defaultPopulation = 500
