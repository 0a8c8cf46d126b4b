package serve

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"quarterdeck.dev/bridge/child"
	"quarterdeck.dev/bridge/rpc"
)

// Hub holds the sessions and the processes that serve them.
type Hub struct {
	config   *Config
	counters counters
	reaper   *child.Reaper
	memory   *child.Memory
	began    time.Time

	mu       sync.Mutex
	sessions map[string]*session
	links    map[*link]struct{}
	// shared is the process of all sessions when they share one; common the session of clients of the newer era
	// who name none; spare a process that has answered the method era and waits for its first session.
	shared   *link
	common   *session
	spare    *link
	era      string
	ends     ends
	exits    []child.Exit
	draining bool
	ready    bool
	reason   string
}

// refusal is why a request is not passed on: an HTTP status and an error.
type refusal struct {
	status int
	fault  rpc.Fault
}

func refuse(status int, code int, format string, values ...any) *refusal {
	return &refusal{status, rpc.Fault{Code: code, Message: fmt.Sprintf(format, values...)}}
}

// NewHub makes a hub that has started nothing yet.
func NewHub(config Config, reaper *child.Reaper, memory *child.Memory) *Hub {
	return &Hub{
		config: &config, reaper: reaper, memory: memory, began: time.Now(), reason: "the server was not tried yet",
		sessions: map[string]*session{}, links: map[*link]struct{}{}, ends: ends{why: map[string]string{}},
	}
}

// NewSessionID makes an id that cannot be guessed.
func NewSessionID() string {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// join returns the session under an id, beginning it if there is none; created tells which. An id may come from
// the client: several replicas of it then share the session. It begins by a method of its era.
func (h *Hub) join(id, begins string) (s *session, created bool, no *refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if found := h.sessions[id]; found != nil {
		return found, false, nil
	}
	if no := h.full(); no != nil {
		h.counters.refused.Add(1)
		return nil, false, no
	}
	made := newSession(id, begins, false)
	if no := h.serve(made); no != nil {
		return nil, false, no
	}
	h.sessions[id] = made
	h.ends.forget(id)
	h.counters.sessions.Add(1)
	return made, true, nil
}

// full says why no session can begin now.
func (h *Hub) full() *refusal {
	if h.draining {
		return refuse(http.StatusServiceUnavailable, rpc.Unreachable, "the tool pod is shutting down")
	}
	if len(h.sessions) >= h.config.MaxSessions {
		return refuse(http.StatusServiceUnavailable, rpc.Unreachable,
			"the tool pod has %d sessions, the most it takes", len(h.sessions))
	}
	return nil
}

// find returns a session that is there.
func (h *Hub) find(id string) (*session, *refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if found := h.sessions[id]; found != nil {
		return found, nil
	}
	if why, known := h.ends.why[id]; known {
		return nil, refuse(http.StatusNotFound, rpc.Unreachable, "the session has ended: %s", why)
	}
	return nil, refuse(http.StatusNotFound, rpc.Unreachable, "there is no such session")
}

// meeting returns the session of those who name none: the newer era keeps nothing between requests.
func (h *Hub) meeting() (*session, *refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.common != nil {
		return h.common, nil
	}
	if h.draining {
		return nil, h.full()
	}
	made := newSession("", discover, true)
	if no := h.attach(made, nil); no != nil {
		return nil, no
	}
	h.common = made
	return made, nil
}

// serve gives a session its process.
func (h *Hub) serve(s *session) *refusal {
	if !h.config.Shared {
		return h.attach(s, nil)
	}
	no := h.attach(s, h.shared)
	if no == nil {
		h.shared = s.link
	}
	return no
}

// attach binds a session to a running link, to the one that waits, or to a new one.
func (h *Hub) attach(s *session, running *link) *refusal {
	if running != nil && running.attach(s) {
		return nil
	}
	// A server that speaks both eras goes on in the one in which it was spoken to first.
	if spare := h.spare; spare != nil && s.begins == h.era {
		h.spare = nil
		if spare.attach(s) {
			return nil
		}
	}
	started, err := h.start()
	if err == nil && started.attach(s) {
		return nil
	}
	return refuse(http.StatusBadGateway, rpc.Unreachable, "%v", err)
}

// start starts a process of the server.
func (h *Hub) start() (*link, error) {
	environment, scratch, err := h.environment()
	if err != nil {
		return nil, err
	}
	running, err := child.Start(child.Spec{
		Path: h.config.Path, Arguments: h.config.Arguments, Environment: environment,
		Directory: h.config.Directory, Log: h.config.Log, Memory: h.memory,
	}, h.reaper)
	if err != nil {
		_ = os.RemoveAll(scratch)
		return nil, err
	}
	h.counters.started.Add(1)
	made := newLink(h.config, &h.counters, running, scratch, h.ended)
	h.links[made] = struct{}{}
	return made, nil
}

// environment returns a process's variables and the folder made for it, if any.
func (h *Hub) environment() ([]string, string, error) {
	if h.config.Scratch == "" {
		return h.config.Environment, "", nil
	}
	folder, err := os.MkdirTemp(h.config.Scratch, "server-")
	if err != nil {
		return nil, "", fmt.Errorf("cannot make a folder for the server: %w", err)
	}
	home, temporary := filepath.Join(folder, "home"), filepath.Join(folder, "tmp")
	for _, one := range []string{home, temporary} {
		if err := os.Mkdir(one, 0o700); err != nil {
			return nil, folder, fmt.Errorf("cannot make a folder for the server: %w", err)
		}
	}
	variables := make([]string, 0, len(h.config.Environment)+2)
	for _, variable := range h.config.Environment {
		// The first of two variables with one name counts.
		if !strings.HasPrefix(variable, "HOME=") && !strings.HasPrefix(variable, "TMPDIR=") {
			variables = append(variables, variable)
		}
	}
	return append(variables, "HOME="+home, "TMPDIR="+temporary), folder, nil
}

// ended forgets a process and the sessions that it took along.
func (h *Hub) ended(l *link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.links, l)
	h.counters.ended.Add(1)
	if !l.exit.Asked {
		h.counters.crashed.Add(1)
	}
	if l.exit.OOMKilled {
		h.counters.oomKilled.Add(1)
	}
	h.exits = append(h.exits, l.exit)
	h.exits = h.exits[max(0, len(h.exits)-keptExits):]
	for id, s := range h.sessions {
		if s.link == l {
			delete(h.sessions, id)
			h.ends.add(id, "the tool server "+l.exit.String())
		}
	}
	if h.shared == l {
		h.shared = nil
	}
	if h.spare == l {
		h.spare = nil
	}
	if h.common != nil && h.common.link == l {
		h.common = nil
	}
}

// leave ends a session, and its process if nobody else uses it; false if there is none under this id.
func (h *Hub) leave(id, why string) bool {
	h.mu.Lock()
	s := h.sessions[id]
	if s != nil {
		delete(h.sessions, id)
		h.ends.add(id, why)
	}
	h.mu.Unlock()
	if s == nil {
		return false
	}
	if last := s.link.detach(s); last && !h.config.Shared {
		go s.link.stop()
	}
	return true
}

// ends remembers why sessions ended, for clients that come back to them.
type ends struct {
	why   map[string]string
	order []string
}

func (e *ends) add(id, why string) {
	if _, known := e.why[id]; !known {
		e.order = append(e.order, id)
	}
	e.why[id] = why
	for len(e.order) > keptEnds {
		delete(e.why, e.order[0])
		e.order = e.order[1:]
	}
}

func (e *ends) forget(id string) {
	delete(e.why, id)
	for at, one := range e.order {
		if one == id {
			e.order = append(e.order[:at:at], e.order[at+1:]...)
			return
		}
	}
}
