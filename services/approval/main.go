// Approval collects the decisions of people on access requests, and signs what they approved.
package main

import (
	"os"

	"joinery.internal/pkg/service"
	"joinery.internal/services/approval/app"
)

func main() { os.Exit(service.Main("approval", app.Run)) }
