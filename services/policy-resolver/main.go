// Policy-resolver decides what access each person has, by the policy in force, and follows each change to its end.
package main

import (
	"os"

	"joinery.internal/pkg/service"
	"joinery.internal/services/policy-resolver/app"
)

func main() { os.Exit(service.Main("policy-resolver", app.Run)) }
