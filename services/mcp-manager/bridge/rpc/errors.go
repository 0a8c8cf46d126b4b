package rpc

import "encoding/json"

// Codes of errors that the bridge makes up. The four of its own are those of the tool-call path
// (constants.py of the manager): Unreachable means that the server never saw the request, the other three that
// it did and that what became of it is not known.
const (
	ParseError     = -32700
	InvalidRequest = -32600
	MethodNotFound = -32601
	InvalidParams  = -32602
	InternalError  = -32603
	HeaderMismatch = -32020
	NoCapability   = -32021
	BadVersion     = -32022

	Oversized   = -32950
	Unreadable  = -32951
	Unreachable = -32952
	Lost        = -32953
)

// Fault is the error member of a response.
type Fault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// Answer makes the response that fails the request with this id; an empty id is written as null.
func (f Fault) Answer(id json.RawMessage) Message {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	fault, err := json.Marshal(f)
	if err != nil {
		fault, _ = json.Marshal(Fault{Code: f.Code, Message: f.Message})
	}
	return Message{Kind: Response, ID: id, Error: fault}
}
