package serve

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestProgressGoesWithItsRequest(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":"mine"},"name":"progress"}}`
	got := w.post(id, body)
	if len(got.messages) != 4 || got.text() != "done" || got.kind != "text/event-stream" {
		t.Fatal(got)
	}
	if first := got.messages[0]["params"].(map[string]any); first["progressToken"] != "mine" || first["progress"] != float64(1) {
		t.Fatal(first)
	}
	if plain := w.post(id, body, "Accept", "application/json"); len(plain.messages) != 1 || plain.text() != "done" {
		t.Fatal(plain)
	}
}

func TestTheServerAsksAndIsAnswered(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	response := w.request(context.Background(), http.MethodPost, id, calling("1", "ask", "{}"))
	defer response.Body.Close()
	rows := bufio.NewScanner(response.Body)
	question := next(t, rows)
	if question["method"] != "elicitation/create" || question["id"] != "q-1" {
		t.Fatal(question)
	}
	forged := w.post(w.begin(""), `{"jsonrpc":"2.0","id":"q-1","result":{"action":"forged"}}`)
	if forged.status != http.StatusAccepted {
		t.Fatal(forged)
	}
	w.post(id, `{"jsonrpc":"2.0","id":"q-1","result":{"action":"accept"}}`)
	if final := next(t, rows); !strings.Contains(answer{messages: []map[string]any{final}}.text(), `"accept"`) {
		t.Fatal(final)
	}
}

func next(t *testing.T, rows *bufio.Scanner) map[string]any {
	t.Helper()
	for rows.Scan() {
		if data, found := strings.CutPrefix(rows.Text(), "data: "); found {
			return decode(t, data)
		}
	}
	t.Fatal("the stream ended")
	return nil
}

func TestWhatBelongsToNoRequestGoesToTheListener(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	w.call(id, "announce_later", "{}")
	time.Sleep(200 * time.Millisecond)
	stream := w.request(context.Background(), http.MethodGet, id, "")
	defer stream.Body.Close()
	rows := bufio.NewScanner(stream.Body)
	if held := next(t, rows); held["method"] != "notifications/tools/list_changed" {
		t.Fatal(held)
	}
	w.call(id, "announce_later", "{}")
	if live := next(t, rows); live["method"] != "notifications/tools/list_changed" {
		t.Fatal(live)
	}
}

func TestACancelReachesTheServerUnderItsOwnID(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	done := make(chan answer)
	go func() { done <- w.post(id, calling(`"slow"`, "hang", "{}")) }()
	w.eventually("it is under way", func() bool { return w.hub.running()[0].inFlight() == 1 })
	w.post(id, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"slow","reason":"enough"}}`)
	if _, message := (<-done).fault(); message != "Request cancelled" {
		t.Fatal(message)
	}
	if told := w.call(id, "cancelled", "{}").text(); !strings.Contains(told, `"requestId":2`) || !strings.Contains(told, "enough") {
		t.Fatal(told)
	}
}

func TestClosingARequestCancelsItInTheNewerEraOnly(t *testing.T) {
	for _, era := range []struct {
		mode, session, version string
		cancels                bool
	}{{"plain", "one", "2025-06-18", false}, {"modern", "", "2026-07-28", true}} {
		w := newWorld(t, era.mode, nil)
		if era.session != "" {
			w.begin(era.session)
		}
		ctx, leave := context.WithTimeout(context.Background(), 300*time.Millisecond)
		request, _ := http.NewRequestWithContext(ctx, http.MethodPost, w.url, strings.NewReader(calling("5", "hang", "{}")))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(versionHeader, era.version)
		if era.session != "" {
			request.Header.Set(sessionHeader, era.session)
		}
		if _, err := http.DefaultClient.Do(request); err == nil {
			t.Fatal("answered")
		}
		leave()
		time.Sleep(200 * time.Millisecond)
		told := w.post(era.session, calling("6", "cancelled", "{}"), versionHeader, era.version).text()
		if strings.Contains(told, "requestId") != era.cancels {
			t.Fatalf("%s: %q", era.version, told)
		}
	}
}

func TestOversizedMessagesOfTheServer(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	for _, tool := range []string{"big", "big_id_last"} {
		if code, message := w.call(id, tool, `{"bytes":3000000}`).fault(); code != -32950 || !strings.Contains(message, "at most 1048576") {
			t.Fatal(tool, code, message)
		}
	}
	if got := w.call(id, "big", `{"bytes":1000000}`).text(); len(got) != 1000000 {
		t.Fatal(len(got))
	}
}

func TestGarbageOfTheServer(t *testing.T) {
	w := newWorld(t, "banner", nil)
	id := w.begin("")
	if got := w.call(id, "garbage", "{}").text(); got != "fine" {
		t.Fatal(got)
	}
	if code, message := w.call(id, "invalid", "{}").fault(); code != -32951 || !strings.Contains(message, "cannot be read") {
		t.Fatal(code, message)
	}
	if stray := w.hub.counters.stray.Load(); stray != 3 {
		t.Fatal(stray)
	}
}

func TestASlowClientIsGivenUpAndTheServerLives(t *testing.T) {
	w := newWorld(t, "plain", func(c *Config) { c.ClientTimeout = 300 * time.Millisecond })
	id := w.begin("")
	response := w.request(context.Background(), http.MethodPost, id, calling("1", "flood", "{}"))
	defer response.Body.Close()
	began := time.Now()
	if got := w.call(id, "echo", `{"text":"after"}`).text(); got != "after" {
		t.Fatal(got)
	}
	if time.Since(began) > 30*time.Second || w.hub.counters.slow.Load() != 1 {
		t.Fatal(time.Since(began), w.hub.counters.slow.Load())
	}
}

func TestAServerThatDoesNotReadHoldsItsClients(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	w.call(id, "deaf", "{}")
	text := strings.Repeat("x", 500_000)
	if got := w.call(id, "echo", `{"text":"`+text+`"}`).text(); got != text {
		t.Fatal(len(got))
	}
}

func TestTooManyRequestsAreRefused(t *testing.T) {
	w := newWorld(t, "plain", func(c *Config) { c.MaxRequests = 2 })
	id := w.begin("")
	var late sync.WaitGroup
	for range 2 {
		late.Go(func() { w.post(id, calling("1", "late", `{"ms":500}`)) })
	}
	w.eventually("both are under way", func() bool { return w.hub.running()[0].inFlight() == 2 })
	if got := w.call(id, "echo", `{"text":"x"}`); got.status != 503 {
		t.Error(got)
	}
	late.Wait()
}
