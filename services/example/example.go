// Package example holds the invented company Acme: its policy folder, and a generator of its workers and of a month of
// what happens to them. The same seed gives the same company, to the letter.
package example

import (
	"embed"
	"io/fs"
)

//go:embed acme
var files embed.FS

// Config is the policy folder of the company: joinery.yaml, sources, targets, policy.
func Config() fs.FS {
	sub, err := fs.Sub(files, "acme")
	if err != nil {
		panic("example: the embedded folder is missing: " + err.Error())
	}
	return sub
}
