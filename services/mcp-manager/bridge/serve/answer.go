package serve

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"quarterdeck.dev/bridge/rpc"
)

// exchange passes a POST's messages on and answers it.
func (h *Hub) exchange(w http.ResponseWriter, r *http.Request, s *session, asked posted) {
	e := s.link.open(s, asked.streams, asked.requests)
	// In the newer era a client cancels by closing the request; in the older one that means nothing.
	defer s.link.close(e, asked.stateless)
	ctx := r.Context()
	for _, message := range asked.messages {
		s.link.submit(ctx, s, e, message)
	}
	if asked.requests == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if asked.messages[0].Method == "server/discover" {
		limited, cancel := context.WithTimeout(ctx, discoverTimeout)
		defer cancel()
		ctx = limited
	}
	h.answer(ctx, w, e, asked)
	if r.Context().Err() == nil && ctx.Err() != nil {
		reject(w, asked.firstID(), refuse(http.StatusNotFound, rpc.MethodNotFound,
			"the tool server does not answer server/discover: it is of the older era"))
	}
}

// answer writes one JSON document when the answer is all there is to say, else a stream that ends with it.
func (h *Hub) answer(ctx context.Context, w http.ResponseWriter, e *exchange, asked posted) {
	silence := time.NewTimer(pingEvery)
	defer silence.Stop()
	var parts [][]byte
	for {
		next, arrived := e.next()
		switch {
		case arrived && e.streams && (!next.final || asked.batch):
			writer := h.stream(w, e.outlet)
			if writer.event(next.data) == nil && !next.final {
				writer.follow(ctx, e.outlet)
			}
			return
		case arrived:
			parts = append(parts, next.data)
			if next.final {
				h.document(w, parts, asked, next.code)
				return
			}
			continue
		case e.isClosed():
			return
		}
		select {
		case <-e.arrived:
		case <-ctx.Done():
			return
		case <-silence.C:
			if e.streams && len(parts) == 0 {
				writer := h.stream(w, e.outlet)
				if writer.ping() == nil {
					writer.follow(ctx, e.outlet)
				}
				return
			}
		}
	}
}

func (h *Hub) document(w http.ResponseWriter, parts [][]byte, asked posted, code int) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.config.ClientTimeout))
	document := parts[0]
	if asked.batch {
		document = append(append([]byte{'['}, bytes.Join(parts, []byte{','})...), ']')
	}
	writeJSON(w, statusOf(code, asked.stateless), document)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
}

// statusOf returns the status of an answer: the newer era gives some errors one of their own.
func statusOf(code int, stateless bool) int {
	if !stateless {
		return http.StatusOK
	}
	switch code {
	case rpc.ParseError, rpc.InvalidRequest, rpc.InvalidParams, rpc.HeaderMismatch, rpc.NoCapability, rpc.BadVersion:
		return http.StatusBadRequest
	case rpc.MethodNotFound:
		return http.StatusNotFound
	default:
		return http.StatusOK
	}
}
