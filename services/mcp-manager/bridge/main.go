// Command bridge makes a stdio MCP server reachable over Streamable HTTP, from inside the server's own image.
//
// A tool pod's init container copies it into a folder (bridge copy), the pod's container starts it in place of
// the server's command (bridge serve), and pods whose image speaks HTTP by itself use it as their probe
// (bridge probe).
package main

import (
	"fmt"
	"os"
)

// version is set when it is built.
var version = "development"

// Exit statuses: the shell's own for a command that cannot be started, 2 for a call that makes no sense.
const (
	failed      = 1
	misused     = 2
	cannotStart = 127
)

const usage = `usage:
  bridge serve [flags] -- COMMAND [ARGUMENT...]   offer a stdio server at http://LISTEN/mcp
  bridge copy DESTINATION                         copy this program there
  bridge probe [flags] URL                        find out whether an MCP server answers
  bridge version
`

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(arguments []string) int {
	if len(arguments) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return misused
	}
	switch name, rest := arguments[0], arguments[1:]; name {
	case "serve":
		return serveCommand(rest)
	case "copy":
		return copyCommand(rest)
	case "probe":
		return probeCommand(rest)
	case "version":
		fmt.Println(version)
		return 0
	default:
		fmt.Fprintf(os.Stderr, "bridge: unknown command %q\n%s", name, usage)
		return misused
	}
}
