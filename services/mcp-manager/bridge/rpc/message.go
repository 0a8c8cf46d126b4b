// Package rpc reads and writes the JSON-RPC 2.0 messages that MCP is made of.
//
// Payloads (params, result, error) stay the bytes that the sender wrote: the bridge forwards them and is no
// judge of them. Only the envelope is read and written anew.
package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// Kind says what a message is.
type Kind int

// The kinds of message.
const (
	Request Kind = iota
	Notification
	Response
)

// Message is one JSON-RPC message. ID is empty for a notification; a response has a Result or an Error.
type Message struct {
	Kind   Kind
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  json.RawMessage
}

var (
	errNoObject = errors.New("a message is a JSON object")
	errMethod   = errors.New("method: must be text")
	errID       = errors.New("id: must be text or a whole number")
	errEmpty    = errors.New("a message has a method, a result or an error")
)

// Parse reads one message. Names of members are taken as written: JSON-RPC knows no other spelling.
func Parse(data []byte) (Message, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		if json.Valid(data) {
			return Message{}, errNoObject
		}
		return Message{}, err
	}
	if members == nil {
		return Message{}, errNoObject
	}
	message := Message{Params: members["params"], Result: members["result"], Error: members["error"]}
	id, hasID := members["id"]
	method, hasMethod := members["method"]
	switch {
	case hasMethod:
		if json.Unmarshal(method, &message.Method) != nil || message.Method == "" {
			return message, errMethod
		}
		message.Kind = Notification
	case message.Result != nil || message.Error != nil:
		message.Kind = Response
	default:
		return message, errEmpty
	}
	if !hasID {
		return message, nil
	}
	if message.Kind == Notification {
		message.Kind = Request
	}
	if !validID(id) && !(message.Kind == Response && string(id) == "null") {
		return message, errID
	}
	message.ID = id
	return message, nil
}

// ParseBody reads what a client posted: one message, or several in an array (protocol version 2025-03-26).
func ParseBody(data []byte) (messages []Message, batch bool, err error) {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '[' {
		message, err := Parse(data)
		return []Message{message}, false, err
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, true, err
	}
	for _, part := range parts {
		message, err := Parse(part)
		if err != nil {
			return nil, true, err
		}
		messages = append(messages, message)
	}
	if len(messages) == 0 {
		return nil, true, errEmpty
	}
	return messages, true, nil
}

func validID(id json.RawMessage) bool {
	if len(id) == 0 || len(id) > 1024 {
		return false
	}
	if id[0] == '"' {
		return true
	}
	_, err := strconv.ParseInt(string(id), 10, 64)
	return err == nil
}

// Number returns an id that is a whole number, also when a server sent it back as text.
func Number(id json.RawMessage) (int64, bool) {
	number, err := strconv.ParseInt(string(bytes.Trim(id, `"`)), 10, 64)
	return number, err == nil
}

// NumberID is the id that the bridge gives a request.
func NumberID(number int64) json.RawMessage {
	return strconv.AppendInt(nil, number, 10)
}

// Encode writes a message as one line without its end.
func (m Message) Encode() []byte {
	line := make([]byte, 0, 64+len(m.ID)+len(m.Method)+len(m.Params)+len(m.Result)+len(m.Error))
	line = append(line, `{"jsonrpc":"2.0"`...)
	line = member(line, "id", m.ID)
	if m.Method != "" {
		line = member(line, "method", Text(m.Method))
	}
	line = member(line, "params", m.Params)
	line = member(line, "result", m.Result)
	line = member(line, "error", m.Error)
	return append(line, '}')
}

func member(line []byte, name string, value json.RawMessage) []byte {
	if value == nil {
		return line
	}
	line = append(line, ',', '"')
	line = append(line, name...)
	line = append(line, '"', ':')
	return append(line, oneLine(value)...)
}

// oneLine takes the line ends out of a value, which are only ever white space between its parts.
func oneLine(value json.RawMessage) json.RawMessage {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return value
	}
	return compact.Bytes()
}

// Text writes a string as JSON, leaving characters that only HTML minds as they are.
func Text(text string) json.RawMessage {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text)
	return bytes.TrimRight(buffer.Bytes(), "\n")
}
