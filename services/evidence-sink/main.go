// Command evidence-sink writes every transition of the pipeline to ClickHouse.
package main

import (
	"os"

	"joinery.internal/pkg/service"
	"joinery.internal/services/evidence-sink/app"
)

func main() { os.Exit(service.Main("evidence-sink", app.Run)) }
