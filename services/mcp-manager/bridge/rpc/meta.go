package rpc

import (
	"bytes"
	"encoding/json"
)

// Members of params by which messages name a request of the other side.
const (
	metaMember     = "_meta"
	tokenMember    = "progressToken"
	requestMember  = "requestId"
	subscriptionID = "io.modelcontextprotocol/subscriptionId"
)

// WithToken replaces the progress token of a request's params and returns the one that was there, nil if none.
func WithToken(params json.RawMessage, token json.RawMessage) (json.RawMessage, json.RawMessage) {
	if !bytes.Contains(params, []byte(tokenMember)) {
		return params, nil
	}
	all := members(params)
	meta := members(all[metaMember])
	old := meta[tokenMember]
	if old == nil || string(old) == "null" {
		return params, nil
	}
	meta[tokenMember] = token
	all[metaMember] = object(meta)
	return object(all), old
}

// Token returns the token of a progress notification.
func Token(params json.RawMessage) json.RawMessage {
	return members(params)[tokenMember]
}

// WithProgress puts the client's own token into a progress notification.
func WithProgress(params json.RawMessage, token json.RawMessage) json.RawMessage {
	all := members(params)
	all[tokenMember] = token
	return object(all)
}

// Cancelled returns which request a cancellation names.
func Cancelled(params json.RawMessage) json.RawMessage {
	return members(params)[requestMember]
}

// Cancel makes a cancellation's params name another request.
func Cancel(params json.RawMessage, id json.RawMessage) json.RawMessage {
	all := members(params)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	all[requestMember] = id
	return object(all)
}

// Subscription returns which request opened the stream that a notification belongs to, nil if none.
func Subscription(params json.RawMessage) json.RawMessage {
	if !bytes.Contains(params, []byte(subscriptionID)) {
		return nil
	}
	return members(members(params)[metaMember])[subscriptionID]
}

// WithSubscription makes a notification name another request.
func WithSubscription(params json.RawMessage, id json.RawMessage) json.RawMessage {
	all := members(params)
	meta := members(all[metaMember])
	meta[subscriptionID] = id
	all[metaMember] = object(meta)
	return object(all)
}

// Named returns the member of params under a name as text, empty if it is not text.
func Named(params json.RawMessage, name string) string {
	var text string
	_ = json.Unmarshal(members(params)[name], &text)
	return text
}

func members(value json.RawMessage) map[string]json.RawMessage {
	var found map[string]json.RawMessage
	_ = json.Unmarshal(value, &found)
	return found
}

func object(members map[string]json.RawMessage) json.RawMessage {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(members)
	return bytes.TrimRight(buffer.Bytes(), "\n")
}
