package probe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quarterdeck.dev/bridge/rpc"
)

// endpoint answers each method with a status, a kind of body and a body, and notes what came.
type endpoint struct {
	answers map[string]canned
	session string
	seen    []string
}

type canned struct {
	status int
	stream bool
	body   string
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		e.seen = append(e.seen, "DELETE "+r.Header.Get("Mcp-Session-Id"))
		return
	}
	body, _ := io.ReadAll(r.Body)
	message, _ := rpc.Parse(body)
	e.seen = append(e.seen, message.Method)
	reply, known := e.answers[message.Method]
	if !known {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if message.Method == "initialize" && e.session != "" {
		w.Header().Set("Mcp-Session-Id", e.session)
	}
	kind, text := "application/json", strings.ReplaceAll(reply.body, "ID", string(message.ID))
	if reply.stream {
		kind, text = "text/event-stream", ": hello\n\nevent: message\ndata: {\"method\":\"x\"}\n\ndata: "+text+"\n\n"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(reply.status)
	_, _ = io.WriteString(w, text)
}

const (
	good     = `{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"2025-03-26"}}`
	unknown  = `{"jsonrpc":"2.0","id":ID,"error":{"code":-32601,"message":"Method not found"}}`
	wanted   = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Missing session ID"}}`
	overload = `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"overloaded"}}`
)

func probe(t *testing.T, e *endpoint) error {
	t.Helper()
	server := httptest.NewServer(e)
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	probed := Server{URL: server.URL, Client: &http.Client{Timeout: 5 * time.Second}}
	return probed.Probe(ctx)
}

func TestTheNewerEraIsAskedOnce(t *testing.T) {
	for _, stream := range []bool{false, true} {
		e := &endpoint{answers: map[string]canned{"server/discover": {200, stream, good}}}
		if err := probe(t, e); err != nil || strings.Join(e.seen, " ") != "server/discover" {
			t.Fatal(err, e.seen)
		}
	}
}

func TestTheOlderEraLeavesNoSession(t *testing.T) {
	for _, refusal := range []canned{{404, false, unknown}, {400, false, wanted}, {200, true, unknown}, {405, false, "no"}, {200, false, "<html>"}} {
		for _, stream := range []bool{false, true} {
			e := &endpoint{session: "s1", answers: map[string]canned{
				"server/discover": refusal, "initialize": {200, stream, good}, "ping": {200, stream, unknown},
			}}
			err := probe(t, e)
			if seen := strings.Join(e.seen, " "); err != nil || seen != "server/discover initialize notifications/initialized ping DELETE s1" {
				t.Fatal(refusal, err, seen)
			}
		}
	}
}

func TestWhatIsWrongIsTold(t *testing.T) {
	for wanted, answers := range map[string]map[string]canned{
		"server/discover: answered 401 Unauthorized":        {"server/discover": {401, false, ""}},
		"server/discover: answered 503 Service Unavailable": {"server/discover": {503, false, ""}},
		"initialize: overloaded (code -32000)":              {"server/discover": {404, false, ""}, "initialize": {200, false, overload}},
		"initialize: answered 404 Not Found":                {"server/discover": {404, false, ""}, "initialize": {404, false, ""}},
		"ping: answered 500 Internal Server Error": {
			"server/discover": {404, false, ""}, "initialize": {200, false, good}, "ping": {500, false, ""}},
		"ping: the stream ended without an answer": {
			"server/discover": {404, false, ""}, "initialize": {200, false, good}, "ping": {200, true, `{"method":"x"}`}},
	} {
		e := &endpoint{answers: answers, session: "s1"}
		if err := probe(t, e); err == nil || err.Error() != wanted {
			t.Errorf("%v, not %s", err, wanted)
		}
		if _, begun := answers["ping"]; begun && e.seen[len(e.seen)-1] != "DELETE s1" {
			t.Error("a session was left", e.seen)
		}
	}
}
