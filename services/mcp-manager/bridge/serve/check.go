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

// Check tries the server until it speaks the protocol once: from then on the bridge is ready, and the process that
// was tried waits for the first session.
func (h *Hub) Check(ctx context.Context) {
	for {
		tried, method, err := h.try(ctx)
		if err == nil {
			// Kept before anybody is told: who waits would begin a session at once, and a process for it.
			h.keep(ctx, tried, method)
		}
		h.judge(err)
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
	h.judge(nil)
}

func (h *Hub) judge(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ready, h.reason = err == nil, ""
	if err != nil {
		h.reason = err.Error()
	}
}

// try starts a process and shakes hands with it, and says by which method; one that does not answer is ended.
func (h *Hub) try(ctx context.Context) (*link, string, error) {
	ctx, cancel := context.WithTimeout(ctx, h.config.StartTimeout)
	defer cancel()
	h.mu.Lock()
	started, err := h.start()
	h.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	method, err := shake(ctx, started)
	if err != nil {
		started.stop()
		return nil, "", err
	}
	return started, method, nil
}

// shake shakes hands in the older era or else the newer, in a session that ends with it.
func shake(ctx context.Context, l *link) (string, error) {
	s := newSession("", "", true)
	if !l.attach(s) {
		return "", errors.New("the tool server has ended")
	}
	defer l.detach(s)
	return probe.Handshake(func(message rpc.Message) (rpc.Message, error) { return l.ask(ctx, s, message) })
}

// keep lets the process that was tried be the first session's, which then does not wait for a start. Its client will
// begin by the same method once more, so the server must take that: one that does not is ended, and nothing is kept.
func (h *Hub) keep(ctx context.Context, tried *link, method string) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	if again, err := shake(ctx, tried); err != nil || again != method || !h.spares(tried, method) {
		tried.stop()
	}
}

// spares makes a process the spare one; false if that is not wanted any more.
func (h *Hub) spares(tried *link, method string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, runs := h.links[tried]; runs && !h.draining && h.shared == nil {
		h.spare, h.era = tried, method
	}
	return h.spare == tried
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
