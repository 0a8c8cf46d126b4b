package serve

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"
)

// stream writes server-sent events. A client that takes nothing for too long is given up.
type stream struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	late    func()
}

// newStream begins one; late is called when the client has taken nothing for so long.
func newStream(w http.ResponseWriter, timeout time.Duration, late func()) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	return &stream{w, http.NewResponseController(w), timeout, late}
}

// follow writes what arrives at an outlet until its last event, its end or the client's.
func (s *stream) follow(ctx context.Context, o *outlet) {
	silence := time.NewTicker(pingEvery)
	defer silence.Stop()
	for {
		next, arrived := o.next()
		switch {
		case arrived:
			if s.event(next.data) != nil || next.final {
				return
			}
			silence.Reset(pingEvery)
			continue
		case o.isClosed():
			return
		}
		select {
		case <-o.arrived:
		case <-ctx.Done():
			return
		case <-silence.C:
			if s.ping() != nil {
				return
			}
		}
	}
}

func (s *stream) event(data []byte) error {
	return s.write([]byte("event: message\ndata: "), data, []byte("\n\n"))
}

func (s *stream) ping() error {
	return s.write([]byte(": ping\n\n"))
}

func (s *stream) write(parts ...[]byte) error {
	err := s.writeAll(parts)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.late()
	}
	return err
}

func (s *stream) writeAll(parts [][]byte) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.timeout))
	defer func() { _ = s.control.SetWriteDeadline(time.Time{}) }()
	for _, part := range parts {
		if _, err := s.writer.Write(part); err != nil {
			return err
		}
	}
	return s.control.Flush()
}
