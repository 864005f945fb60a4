// Alerts when netcat is started, and says by whom. Build it with
// `ocellus rules build .`.
package main

import (
	"github.com/ocellus/ocellus/sdk/go"
	"github.com/ocellus/ocellus/sdk/go/field"
)

var netcat = ocellus.Rule{
	ID:          "example-netcat-go",
	Name:        "Netcat was started",
	Description: "Any start of netcat",
	Attack:      []string{"T1095"},
	Interests: []ocellus.Interest{
		ocellus.Exec(ocellus.OneOf(field.ProcessName, "nc", "ncat", "netcat")),
	},
	OnEvent: func(event ocellus.Event) *ocellus.Verdict {
		user := event.TextOr(field.UserName, "someone")
		command := event.TextOr(field.ProcessCommandLine, "netcat")
		return ocellus.Alert(ocellus.Medium, user+" started "+command)
	},
}

func init() { ocellus.Register(netcat) }

func main() {}
