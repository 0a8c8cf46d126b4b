package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"quarterdeck.dev/bridge/child"
)

// world is a bridge before a fake server.
type world struct {
	*testing.T
	hub *Hub
	url string
}

func newWorld(t *testing.T, mode string, change func(*Config)) *world {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Path: self, Arguments: []string{self}, Environment: append(os.Environ(), "BRIDGE_FAKE="+mode),
		MaxMessage: 1 << 20, MaxSessions: 64, MaxRequests: 64, Idle: time.Minute, ClientTimeout: 5 * time.Second,
		StartTimeout: 5 * time.Second, DrainGrace: 5 * time.Second, EOFGrace: time.Second, TermGrace: 300 * time.Millisecond,
		Log: io.Discard,
	}
	if change != nil {
		change(&config)
	}
	hub := NewHub(config, reaper, child.FindMemory())
	server := httptest.NewServer(hub)
	t.Cleanup(func() {
		hub.config.DrainGrace = 0
		hub.Drain()
		server.CloseClientConnections()
		server.Close()
		if left := len(hub.running()); left != 0 {
			t.Errorf("%d processes left", left)
		}
	})
	return &world{t, hub, server.URL}
}

// answer is what came back from a POST: every message, and the status.
type answer struct {
	status   int
	session  string
	kind     string
	messages []map[string]any
}

func (a answer) last() map[string]any { return a.messages[len(a.messages)-1] }

func (a answer) text() string {
	if result, _ := a.last()["result"].(map[string]any); result != nil {
		content, _ := result["content"].([]any)
		if len(content) > 0 {
			return content[0].(map[string]any)["text"].(string)
		}
	}
	return fmt.Sprint(a.last())
}

func (a answer) fault() (int, string) {
	fault, _ := a.last()["error"].(map[string]any)
	if fault == nil {
		return 0, ""
	}
	return int(fault["code"].(float64)), fault["message"].(string)
}

func (w *world) request(ctx context.Context, method, session, body string, header ...string) *http.Response {
	w.Helper()
	request, _ := http.NewRequestWithContext(ctx, method, w.url, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		request.Header.Set(sessionHeader, session)
	}
	for at := 0; at < len(header); at += 2 {
		request.Header.Set(header[at], header[at+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	return response
}

func (w *world) post(session, body string, header ...string) answer {
	w.Helper()
	response := w.request(context.Background(), http.MethodPost, session, body, header...)
	defer response.Body.Close()
	got := answer{status: response.StatusCode, session: response.Header.Get(sessionHeader), kind: response.Header.Get("Content-Type")}
	got.messages = messages(w.T, response)
	return got
}

func messages(t *testing.T, response *http.Response) (all []map[string]any) {
	t.Helper()
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		data, _ := io.ReadAll(response.Body)
		if len(data) > 0 {
			all = append(all, decode(t, string(data)))
		}
		return all
	}
	rows := bufio.NewScanner(response.Body)
	rows.Buffer(nil, 1<<24)
	for rows.Scan() {
		if data, found := strings.CutPrefix(rows.Text(), "data: "); found {
			all = append(all, decode(t, data))
		}
	}
	return all
}

func decode(t *testing.T, data string) map[string]any {
	t.Helper()
	if strings.HasPrefix(data, "[") {
		data = `{"batch":` + data + `}`
	}
	var message map[string]any
	if err := json.Unmarshal([]byte(data), &message); err != nil {
		t.Fatalf("%v: %.200s", err, data)
	}
	return message
}

const hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// begin begins a session, under an id of the client's or one that the bridge gives.
func (w *world) begin(id string) string {
	w.Helper()
	got := w.post(id, hello)
	if got.status != http.StatusOK || got.session == "" {
		w.Fatalf("initialize: %d %v", got.status, got.messages)
	}
	if confirmed := w.post(got.session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); confirmed.status != http.StatusAccepted {
		w.Fatalf("initialized: %d", confirmed.status)
	}
	return got.session
}

func (w *world) call(session, tool, arguments string) answer {
	w.Helper()
	return w.post(session, calling("7", tool, arguments))
}

func calling(id, tool, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"%s","arguments":%s}}`, id, tool, arguments)
}

func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	w.Fatalf("never: %s", what)
}
