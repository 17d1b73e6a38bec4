// Package app puts the provisioner together: its topology over the runtime, its desk over the targets.
package app
