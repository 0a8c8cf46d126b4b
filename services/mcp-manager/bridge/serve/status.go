package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"time"

	"quarterdeck.dev/bridge/child"
)

// Management serves probes, the status and metrics to the kubelet and the scraper. Of all that, only whether the server
// is ready is told beside /mcp: to who waits there for a first answer.
func (h *Hub) Management() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", h.Readyz)
	mux.HandleFunc("GET /status", h.status)
	mux.HandleFunc("GET /metrics", h.metrics)
	return mux
}

// Readyz says whether the server takes sessions.
func (h *Hub) Readyz(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	ready, reason := h.ready && !h.draining, h.reason
	if h.draining {
		reason = "shutting down"
	}
	h.mu.Unlock()
	if !ready {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// Status is the document at /status. Session ids are not in it: who knows one can use it.
type Status struct {
	Version   string        `json:"version"`
	UptimeSec int64         `json:"uptimeSeconds"`
	Ready     bool          `json:"ready"`
	Reason    string        `json:"reason,omitempty"`
	Draining  bool          `json:"draining"`
	Sessions  int           `json:"sessions"`
	Processes []processInfo `json:"processes"`
	Exits     []child.Exit  `json:"exits"`
	OOMKills  int64         `json:"oomKills"`
	Limit     int64         `json:"memoryLimitBytes,omitempty"`
}

type processInfo struct {
	Pid      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Sessions int       `json:"sessions"`
	InFlight int       `json:"inFlight"`
}

func (h *Hub) status(w http.ResponseWriter, _ *http.Request) {
	document, _ := json.MarshalIndent(h.Status(), "", "  ")
	writeJSON(w, http.StatusOK, append(document, '\n'))
}

// Status says what there is now.
func (h *Hub) Status() Status {
	processes := []processInfo{}
	for _, one := range h.running() {
		processes = append(processes, one.info())
	}
	sort.Slice(processes, func(a, b int) bool { return processes[a].Started.Before(processes[b].Started) })
	h.mu.Lock()
	defer h.mu.Unlock()
	return Status{
		Version: h.config.Version, UptimeSec: int64(time.Since(h.began).Seconds()), Ready: h.ready, Reason: h.reason,
		Draining: h.draining, Sessions: len(h.sessions), Processes: processes,
		Exits: append([]child.Exit{}, h.exits...), OOMKills: h.memory.Kills(), Limit: h.memory.Limit(),
	}
}

func (l *link) info() processInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return processInfo{l.child.Pid, l.child.Started, len(l.sessions), len(l.pending)}
}

// metrics writes the Prometheus text format.
func (h *Hub) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	now, c := h.Status(), &h.counters
	under := 0
	for _, one := range now.Processes {
		under += one.InFlight
	}
	for _, row := range []struct {
		name, kind, help string
		value            int64
	}{
		{"sessions", "gauge", "Open sessions.", int64(now.Sessions)},
		{"processes", "gauge", "Running server processes.", int64(len(now.Processes))},
		{"requests_in_flight", "gauge", "Requests without an answer yet.", int64(under)},
		{"sessions_total", "counter", "Sessions begun.", c.sessions.Load()},
		{"refused_total", "counter", "Sessions and requests refused for want of room.", c.refused.Load()},
		{"requests_total", "counter", "Requests passed on.", c.requests.Load()},
		{"answers_total", "counter", "Answers of the server.", c.answers.Load()},
		{"failed_requests_total", "counter", "Requests answered with an error by the bridge.", c.failed.Load()},
		{"cancelled_requests_total", "counter", "Requests cancelled by clients.", c.cancelled.Load()},
		{"stray_lines_total", "counter", "Lines on standard output that were no message.", c.stray.Load()},
		{"oversized_messages_total", "counter", "Messages of the server beyond the limit.", c.oversized.Load()},
		{"unclaimed_answers_total", "counter", "Answers that nobody waited for.", c.unclaimed.Load()},
		{"slow_clients_total", "counter", "Streams cut because the client took nothing.", c.slow.Load()},
		{"process_starts_total", "counter", "Server processes started.", c.started.Load()},
		{"process_ends_total", "counter", "Server processes ended.", c.ended.Load()},
		{"process_crashes_total", "counter", "Server processes that ended by themselves.", c.crashed.Load()},
		{"process_oom_kills_total", "counter", "Server processes killed for lack of memory.", c.oomKilled.Load()},
	} {
		name := "quarterdeck_bridge_" + row.name
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", name, row.help, name, row.kind, name, row.value)
	}
}
