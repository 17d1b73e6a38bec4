// Reconciler compares targets with what is desired and has differences repaired.
package main

import (
	"os"

	"joinery.internal/pkg/service"
	"joinery.internal/services/reconciler/app"
)

func main() {
	app.SaveMemory()
	os.Exit(service.Main(app.Name, app.Run))
}
