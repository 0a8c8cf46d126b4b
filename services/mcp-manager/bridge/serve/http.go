package serve

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck.dev/bridge/rpc"
)

// Headers of the protocol.
const (
	sessionHeader = "Mcp-Session-Id"
	versionHeader = "Mcp-Protocol-Version"
	methodHeader  = "Mcp-Method"
)

// Methods by which the eras begin.
const (
	initialize = "initialize"
	discover   = "server/discover"
)

// handshaken are the protocol versions with a handshake and sessions. Any other is of the newer era.
var handshaken = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// ServeHTTP is the MCP endpoint.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		reject(w, nil, refuse(http.StatusForbidden, rpc.InvalidRequest, "browsers are not served"))
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.post(w, r)
	case http.MethodGet:
		h.get(w, r)
	case http.MethodDelete:
		h.delete(w, r)
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		reject(w, nil, refuse(http.StatusMethodNotAllowed, rpc.InvalidRequest, "method not allowed"))
	}
}

// posted is what a POST carries.
type posted struct {
	messages []rpc.Message
	batch    bool
	requests int
	// stateless tells that it is of the newer era.
	stateless bool
	handshake bool
	session   string
	streams   bool
}

func (h *Hub) post(w http.ResponseWriter, r *http.Request) {
	body, no := h.body(w, r)
	if no != nil {
		reject(w, nil, no)
		return
	}
	asked, no := understand(body, r.Header)
	if no != nil {
		reject(w, asked.firstID(), no)
		return
	}
	s, created, no := h.sessionOf(asked)
	if no == nil && asked.requests > 0 {
		no = h.room(s, asked.requests)
	}
	if no != nil {
		if created {
			h.leave(s.id, "it never began")
		}
		reject(w, asked.firstID(), no)
		return
	}
	if asked.handshake {
		h.shakeHands(w, r, s, asked, created)
		return
	}
	h.exchange(w, r, s, asked)
}

// body reads what was posted, within its bounds of size and time.
func (h *Hub) body(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, rpc.InvalidRequest, "Content-Type: must be application/json")
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.config.ClientTimeout))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.config.MaxMessage)))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refuse(http.StatusRequestEntityTooLarge, rpc.InvalidRequest,
			"the message is too large; at most %d bytes are taken", h.config.MaxMessage)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, rpc.InvalidRequest, "the message did not arrive: %v", err)
	}
	return body, nil
}

// understand reads a POST's body and headers.
func understand(body []byte, header http.Header) (posted, *refusal) {
	messages, batch, err := rpc.ParseBody(body)
	if err != nil {
		return posted{}, refuse(http.StatusBadRequest, rpc.ParseError, "not a JSON-RPC message: %v", err)
	}
	first := messages[0]
	asked := posted{messages: messages, batch: batch, session: header.Get(sessionHeader), streams: takesStream(header)}
	for _, message := range messages {
		if message.Kind == rpc.Request {
			asked.requests++
		}
	}
	version := header.Get(versionHeader)
	asked.handshake = !batch && first.Kind == rpc.Request && first.Method == initialize
	asked.stateless = !asked.handshake &&
		(version != "" && !slices.Contains(handshaken, version) || first.Method == discover)
	if !validSession(asked.session) {
		return asked, refuse(http.StatusBadRequest, rpc.InvalidRequest,
			"%s: must be at most 128 visible ASCII characters", sessionHeader)
	}
	named := header.Get(methodHeader)
	if asked.stateless && named != "" && named != first.Method {
		return asked, refuse(http.StatusBadRequest, rpc.HeaderMismatch,
			"%s: is %q, but the message's method is %q", methodHeader, named, first.Method)
	}
	return asked, nil
}

// sessionOf finds the session that a POST belongs to, or begins one.
func (h *Hub) sessionOf(asked posted) (s *session, created bool, no *refusal) {
	switch {
	case asked.handshake && asked.session == "":
		return h.join(NewSessionID(), initialize)
	case asked.handshake:
		return h.join(asked.session, initialize)
	case asked.stateless && asked.session != "":
		return h.join(asked.session, discover)
	case asked.stateless:
		s, no = h.meeting()
		return s, false, no
	case asked.session == "":
		return nil, false, refuse(http.StatusBadRequest, rpc.InvalidRequest,
			"%s: missing; a session begins with initialize", sessionHeader)
	default:
		s, no = h.find(asked.session)
		return s, false, no
	}
}

// room says why requests cannot be taken now.
func (h *Hub) room(s *session, requests int) *refusal {
	if h.isDraining() {
		return refuse(http.StatusServiceUnavailable, rpc.Unreachable, "the tool pod is shutting down")
	}
	if under := s.link.inFlight(); under+requests > h.config.MaxRequests {
		h.counters.refused.Add(1)
		return refuse(http.StatusServiceUnavailable, rpc.Unreachable,
			"the tool server has %d requests under way, the most it takes is %d", under, h.config.MaxRequests)
	}
	return nil
}

// shakeHands passes the first handshake of a session on; those who come later get the same answer.
func (h *Hub) shakeHands(w http.ResponseWriter, r *http.Request, s *session, asked posted, created bool) {
	w.Header().Set(sessionHeader, s.id)
	if s.link.greets(s) {
		h.exchange(w, r, s, asked)
		if created && !s.link.welcomed(s) {
			h.leave(s.id, "the handshake failed")
		}
		return
	}
	select {
	case <-s.greeted:
	case <-s.link.over:
	case <-r.Context().Done():
		return
	}
	if !s.link.welcomed(s) {
		reject(w, asked.firstID(), refuse(http.StatusBadGateway, rpc.Unreachable, "the session's handshake failed"))
		return
	}
	answer := rpc.Message{Kind: rpc.Response, ID: asked.firstID(), Result: s.greeting}
	writeJSON(w, http.StatusOK, answer.Encode())
}

func (l *link) welcomed(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.greeting != nil
}

// get opens a stream for what the server says of its own accord.
func (h *Hub) get(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(sessionHeader)
	if !takesStream(r.Header) || id == "" {
		w.Header().Set("Allow", "POST, DELETE")
		reject(w, nil, refuse(http.StatusMethodNotAllowed, rpc.InvalidRequest,
			"GET needs %s and Accept: text/event-stream", sessionHeader))
		return
	}
	s, no := h.find(id)
	if no != nil {
		reject(w, nil, no)
		return
	}
	open := newOutlet(2 * h.config.MaxMessage)
	s.link.listen(s, open)
	defer s.link.unlisten(s, open)
	writer := h.stream(w, open)
	if writer.ping() == nil {
		writer.follow(r.Context(), open)
	}
}

func (h *Hub) stream(w http.ResponseWriter, o *outlet) *stream {
	return newStream(w, h.config.ClientTimeout, func() { o.giveUp(&h.counters.slow) })
}

func (h *Hub) delete(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get(sessionHeader); id == "" || !h.leave(id, "its client ended it") {
		reject(w, nil, refuse(http.StatusNotFound, rpc.InvalidRequest, "there is no such session"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p posted) firstID() []byte {
	for _, message := range p.messages {
		if message.Kind == rpc.Request {
			return message.ID
		}
	}
	return nil
}

func takesStream(header http.Header) bool {
	return strings.Contains(strings.Join(header.Values("Accept"), ","), "text/event-stream")
}

func validSession(id string) bool {
	for _, character := range []byte(id) {
		if character <= ' ' || character > '~' {
			return false
		}
	}
	return len(id) <= 128
}

func reject(w http.ResponseWriter, id []byte, no *refusal) {
	if no.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Del(sessionHeader)
	writeJSON(w, no.status, no.fault.Answer(id).Encode())
}

func writeJSON(w http.ResponseWriter, status int, document []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	w.WriteHeader(status)
	_, _ = w.Write(document)
}
