// Provisioner drives accounts in targets towards what is desired.
package main

import (
	"os"

	"joinery.internal/pkg/service"
	"joinery.internal/services/provisioner/app"
)

func main() { os.Exit(service.Main(app.Name, app.Run)) }
