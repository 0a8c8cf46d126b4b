// Package probe finds out whether an MCP server answers, leaving nothing behind.
package probe

import (
	"encoding/json"
	"fmt"

	"quarterdeck.dev/bridge/rpc"
)

// Versions of the protocol that a probe speaks: the last with a handshake that every server of that era takes,
// and the first without.
const (
	Handshaken = "2025-06-18"
	Stateless  = "2026-07-28"
)

// Ask sends a message and returns the answer; it fails when there is none. A notification has no answer.
type Ask func(rpc.Message) (rpc.Message, error)

// Handshake speaks to a server over stdio: the handshake and a ping, or the newer era's discovery for one that
// refuses the handshake. It returns the method that the server took.
func Handshake(ask Ask) (string, error) {
	first := Initialize()
	answer, err := ask(first)
	if err != nil {
		return "", err
	}
	if answer.Result != nil {
		return first.Method, Ping(ask)
	}
	second := Discover()
	if answer, err = ask(second); err != nil {
		return "", err
	}
	if answer.Result == nil {
		return "", fmt.Errorf("the server refuses initialize and server/discover: %s", Reason(answer))
	}
	return second.Method, nil
}

// Ping confirms a handshake and asks for a sign of life. A server that does not know ping is alive all the same.
func Ping(ask Ask) error {
	if _, err := ask(rpc.Message{Kind: rpc.Notification, Method: "notifications/initialized"}); err != nil {
		return err
	}
	_, err := ask(rpc.Message{Kind: rpc.Request, ID: rpc.NumberID(2), Method: "ping"})
	return err
}

// Initialize is the first request of the older era.
func Initialize() rpc.Message {
	params := `{"protocolVersion":"` + Handshaken + `","capabilities":{},"clientInfo":` + client + `}`
	return rpc.Message{Kind: rpc.Request, ID: rpc.NumberID(1), Method: "initialize", Params: json.RawMessage(params)}
}

// Discover is the request by which the newer era finds out what a server can do.
func Discover() rpc.Message {
	params := `{"_meta":{"io.modelcontextprotocol/protocolVersion":"` + Stateless +
		`","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":` + client + `}}`
	id := rpc.NumberID(1)
	return rpc.Message{Kind: rpc.Request, ID: id, Method: "server/discover", Params: json.RawMessage(params)}
}

const client = `{"name":"quarterdeck-probe","version":"1"}`

// Reason returns what an error answer says.
func Reason(answer rpc.Message) string {
	var fault rpc.Fault
	_ = json.Unmarshal(answer.Error, &fault)
	return fmt.Sprintf("%s (code %d)", fault.Message, fault.Code)
}
