// Console serves the JSON API and the pages.
package main

import (
	"os"

	"joinery.internal/pkg/service"
	"joinery.internal/services/console/app"
)

func main() { os.Exit(service.Main(app.Name, app.Run)) }
