// Package app puts the reconciler together: its topology over the runtime, its listings over the targets.
package app
