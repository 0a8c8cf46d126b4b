package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"quarterdeck.dev/bridge/probe"
	"quarterdeck.dev/bridge/rpc"
)

// Check tries the server until it speaks the protocol once: from then on the bridge is ready.
func (h *Hub) Check(ctx context.Context) {
	for {
		err := h.try(ctx)
		h.mu.Lock()
		h.ready = err == nil
		h.reason = ""
		if err != nil {
			h.reason = err.Error()
		}
		h.mu.Unlock()
		if err == nil {
			return
		}
		fmt.Fprintf(h.config.Log, "bridge: not ready: %v\n", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(checkEvery):
		}
	}
}

// Trust makes the bridge ready without trying the server.
func (h *Hub) Trust() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready, h.reason = true, ""
}

// try starts a process, shakes hands in the older era or else the newer, and ends it.
func (h *Hub) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.config.StartTimeout)
	defer cancel()
	h.mu.Lock()
	started, err := h.start()
	h.mu.Unlock()
	if err != nil {
		return err
	}
	defer started.stop()
	s := newSession("", true)
	if !started.attach(s) {
		return errors.New("the tool server has ended")
	}
	return probe.Handshake(func(message rpc.Message) (rpc.Message, error) { return started.ask(ctx, s, message) })
}

// ask sends one message and returns its answer; a notification has none.
func (l *link) ask(ctx context.Context, s *session, message rpc.Message) (rpc.Message, error) {
	if message.Kind != rpc.Request {
		l.submit(ctx, s, nil, message)
		return rpc.Message{}, nil
	}
	asking := l.open(s, false, 1)
	defer l.close(asking, false)
	l.submit(ctx, s, asking, message)
	for {
		if answer, arrived := asking.next(); arrived {
			parsed, err := rpc.Parse(answer.data)
			if err == nil && parsed.Error != nil && ours(answer.code) {
				var fault rpc.Fault
				_ = json.Unmarshal(parsed.Error, &fault)
				return parsed, errors.New(fault.Message)
			}
			return parsed, err
		}
		select {
		case <-asking.arrived:
		case <-ctx.Done():
			return rpc.Message{}, fmt.Errorf("no answer to %s within %s", message.Method, l.config.StartTimeout)
		}
	}
}

// ours tells errors that the bridge made from the server's.
func ours(code int) bool {
	return code <= rpc.Oversized && code >= rpc.Lost
}
