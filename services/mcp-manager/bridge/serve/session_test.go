package serve

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestACallIsAnsweredWithADocument(t *testing.T) {
	w := newWorld(t, "plain", nil)
	got := w.call(w.begin(""), "echo", `{"text":"hello\n<b> & ü"}`)
	if got.text() != "hello\n<b> & ü" || got.last()["id"] != float64(7) || got.kind != "application/json" {
		t.Fatal(got)
	}
}

func TestPayloadsAreNotRewritten(t *testing.T) {
	w := newWorld(t, "plain", nil)
	response := w.request(context.Background(), http.MethodPost, w.begin(""), calling("7", "pretty", "{}"))
	defer response.Body.Close()
	data := make([]byte, 1000)
	read, _ := response.Body.Read(data)
	if text := string(data[:read]); text != `{"jsonrpc":"2.0","id":7,"result":{"a": "<b>&", "n": 12345678901234567890}}` {
		t.Fatal(text)
	}
}

func TestEachSessionHasItsOwnProcess(t *testing.T) {
	w := newWorld(t, "plain", nil)
	one, other := w.begin(""), w.begin("")
	w.call(one, "set", `{"text":"secret"}`)
	if got := w.call(other, "get", "{}").text(); got != "" {
		t.Fatalf("state of one session read in another: %q", got)
	}
	if got := w.call(one, "get", "{}").text(); got != "secret" {
		t.Fatal(got)
	}
}

func TestASharedProcessServesAll(t *testing.T) {
	w := newWorld(t, "plain", func(c *Config) { c.Shared = true })
	one, other := w.begin(""), w.begin("")
	if one == other || w.call(one, "pid", "{}").text() != w.call(other, "pid", "{}").text() {
		t.Fatal("not shared")
	}
}

func TestAnIDOfTheClientsIsTakenAndShared(t *testing.T) {
	w := newWorld(t, "plain", nil)
	w.begin("run-1")
	again := w.post("run-1", hello)
	if again.session != "run-1" || again.last()["id"] != "hello" || again.last()["result"] == nil {
		t.Fatal(again)
	}
	if len(w.hub.running()) != 1 {
		t.Fatal("a second process")
	}
}

// Two replicas of a client speak under one id, and both count from one.
func TestEqualIDsOfTwoClientsDoNotMeet(t *testing.T) {
	w := newWorld(t, "plain", nil)
	w.begin("run-1")
	var both sync.WaitGroup
	for n := range 20 {
		both.Go(func() {
			text := fmt.Sprintf("%d", n)
			if got := w.call("run-1", "echo", `{"text":"`+text+`"}`).text(); got != text {
				t.Errorf("%s got %s", text, got)
			}
		})
	}
	both.Wait()
}

func TestAHundredSessionsAtOnce(t *testing.T) {
	w := newWorld(t, "plain", func(c *Config) { c.MaxSessions = 100 })
	var all sync.WaitGroup
	pids := sync.Map{}
	for range 100 {
		all.Go(func() { pids.Store(w.call(w.begin(""), "pid", "{}").text(), true) })
	}
	all.Wait()
	count := 0
	pids.Range(func(_, _ any) bool { count++; return true })
	if count != 100 {
		t.Fatalf("%d processes", count)
	}
	refused := w.post("", hello)
	if code, message := refused.fault(); refused.status != 503 || code != -32952 || !strings.Contains(message, "100 sessions") {
		t.Fatal(refused)
	}
}

func TestEndingASessionEndsItsProcess(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	response := w.request(context.Background(), http.MethodDelete, id, "")
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatal(response.Status)
	}
	w.eventually("the process ends", func() bool { return len(w.hub.running()) == 0 })
	after := w.call(id, "echo", `{"text":"x"}`)
	if _, message := after.fault(); after.status != 404 || message != "the session has ended: its client ended it" {
		t.Fatal(after)
	}
}

func TestIdleSessionsEnd(t *testing.T) {
	w := newWorld(t, "plain", func(c *Config) { c.Idle = 300 * time.Millisecond })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go w.hub.Tidy(ctx)
	w.begin("idle")
	listening := w.begin("listening")
	stream := w.request(ctx, http.MethodGet, listening, "")
	defer stream.Body.Close()
	w.eventually("the idle one ends", func() bool { return len(w.hub.running()) == 1 })
	if _, no := w.hub.find(listening); no != nil {
		t.Fatal("a session whose client listens was ended")
	}
}

func TestEachProcessHasItsOwnHome(t *testing.T) {
	scratch := t.TempDir()
	w := newWorld(t, "plain", func(c *Config) { c.Scratch = scratch })
	one := w.call(w.begin("one"), "environment", "{}").text()
	other := w.call(w.begin("two"), "environment", "{}").text()
	if one == other || !strings.HasPrefix(one, scratch) || !strings.Contains(one, "/home ") {
		t.Fatal(one, other)
	}
}

func TestTheNewerEraNeedsNoSession(t *testing.T) {
	w := newWorld(t, "modern", nil)
	found := w.post("", `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}`, versionHeader, "2026-07-28")
	if found.status != 200 || found.session != "" || found.last()["result"] == nil {
		t.Fatal(found)
	}
	got := w.post("", calling("1", "echo", `{"text":"x"}`), versionHeader, "2026-07-28", methodHeader, "tools/call")
	if got.text() != "x" || got.session != "" {
		t.Fatal(got)
	}
	wrong := w.post("", calling("1", "echo", `{"text":"x"}`), versionHeader, "2026-07-28", methodHeader, "tools/list")
	if code, _ := wrong.fault(); wrong.status != 400 || code != -32020 {
		t.Fatal(wrong)
	}
	w.post("mine", calling("1", "set", `{"text":"secret"}`), versionHeader, "2026-07-28")
	if got := w.post("", calling("1", "get", `{}`), versionHeader, "2026-07-28"); got.text() != "" {
		t.Fatal("state of a session read outside it")
	}
	if got := w.post("mine", calling("1", "get", `{}`), versionHeader, "2026-07-28"); got.text() != "secret" {
		t.Fatal(got)
	}
}

func TestAnOlderServerSaysSoToTheNewerEra(t *testing.T) {
	w := newWorld(t, "plain", nil)
	got := w.post("", `{"jsonrpc":"2.0","id":1,"method":"server/discover"}`, versionHeader, "2026-07-28")
	if code, _ := got.fault(); got.status != http.StatusNotFound || code != -32601 {
		t.Fatal(got)
	}
}

func TestABatchIsAnsweredWhole(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	batch := "[" + calling("1", "echo", `{"text":"a"}`) + "," + calling("2", "echo", `{"text":"b"}`) + "]"
	if got := w.post(id, batch); len(got.messages) != 2 || got.messages[1]["id"] != float64(2) {
		t.Fatal(got)
	}
	if got := w.post(id, batch, "Accept", "application/json"); len(got.last()["batch"].([]any)) != 2 {
		t.Fatal(got)
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	for body, wanted := range map[string]int{
		`{`: 400, `[]`: 400, `"x"`: 400, `null`: 400, `{"jsonrpc":"2.0"}`: 400, `{"method":"x","id":{}}`: 400,
		`{"method":"x","id":1.5}`: 400, strings.Repeat(" ", 2<<20): 413,
	} {
		if got := w.post(id, body); got.status != wanted {
			t.Errorf("%.40s: %d", body, got.status)
		}
	}
	if got := w.post("", calling("1", "echo", "{}")); got.status != 400 {
		t.Error(got)
	}
	if got := w.post("a b", hello); got.status != 400 {
		t.Error(got)
	}
	if got := w.post(id, hello, "Origin", "http://evil.example"); got.status != 403 {
		t.Error(got)
	}
	if got := w.post(id, hello, "Content-Type", "text/plain"); got.status != 415 {
		t.Error(got)
	}
	if got := w.call(id, "echo", `{"text":"still here"}`).text(); got != "still here" {
		t.Error(got)
	}
}
