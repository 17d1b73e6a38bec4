// Package e2e holds the tests that boot the whole pipeline; there is nothing here to import.
package e2e
