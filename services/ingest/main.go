// Ingest turns what source systems say of workers into lifecycle events of persons.
package main

import (
	"os"
	_ "time/tzdata" // zones of persons, whatever the machine has

	"joinery.internal/pkg/service"
	"joinery.internal/services/ingest/app"
)

func main() { os.Exit(service.Main("ingest", app.Run)) }
