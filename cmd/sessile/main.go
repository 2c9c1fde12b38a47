// Sessile is the command that comes with the library. It administers a session store, whether the store
// runs or not, and runs a demo. Package command has its verbs.
package main

import (
	"os"

	"github.com/sessile/sessile/cmd/sessile/internal/command"
)

func main() { os.Exit(command.Main()) }
