package serve

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestACrashIsNamedToEveryCallInFlight(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	waiting := make(chan answer)
	go func() { waiting <- w.post(id, calling("1", "hang", "{}")) }()
	w.eventually("it is under way", func() bool { return w.hub.running()[0].inFlight() == 1 })
	crashed := w.call(id, "crash", "{}")
	for _, got := range []answer{crashed, <-waiting} {
		code, message := got.fault()
		if code != -32953 || message != "the tool server ended with exit status 3; it wrote: about to crash on purpose" {
			t.Fatal(code, message)
		}
		data := got.last()["error"].(map[string]any)["data"].(map[string]any)
		if data["exitCode"] != float64(3) {
			t.Fatal(data)
		}
	}
	after := w.call(id, "echo", `{"text":"x"}`)
	if _, message := after.fault(); after.status != 404 || !strings.Contains(message, "exit status 3") {
		t.Fatal(after)
	}
	w.begin(id)
	if exits := w.hub.Status().Exits; len(exits) != 1 || exits[0].Code != 3 {
		t.Fatal(exits)
	}
}

func TestAKillIsNamed(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	waiting := make(chan answer)
	pid, _ := strconv.Atoi(w.call(id, "pid", "{}").text())
	go func() { waiting <- w.call(id, "hang", "{}") }()
	w.eventually("it is under way", func() bool { return w.hub.running()[0].inFlight() == 1 })
	_ = syscall.Kill(pid, syscall.SIGKILL)
	if code, message := (<-waiting).fault(); code != -32953 || message != "the tool server was killed by SIGKILL" {
		t.Fatal(code, message)
	}
}

func TestWhatAServerLeavesBehindIsEnded(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	orphan, err := strconv.Atoi(w.call(id, "orphan", "{}").text())
	if err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(orphan, 0) != nil {
		t.Fatal("it never ran")
	}
	w.call(id, "die", "{}")
	w.eventually("the orphan is gone, and collected", func() bool { return syscall.Kill(orphan, 0) == syscall.ESRCH })
}

func TestACommandThatCannotRunIsTold(t *testing.T) {
	w := newWorld(t, "plain", func(c *Config) { c.Path = "/nonexistent" })
	got := w.post("", hello)
	if code, message := got.fault(); got.status != 502 || code != -32952 || !strings.Contains(message, "/nonexistent") {
		t.Fatal(got)
	}
}

func TestAServerThatEndsAtOnceIsTold(t *testing.T) {
	w := newWorld(t, "broken", nil)
	if _, message := w.post("", hello).fault(); !strings.Contains(message, "exit status 4; it wrote: cannot find my configuration") {
		t.Fatal(message)
	}
	_, _, err := w.hub.try(context.Background())
	if err == nil || !strings.Contains(err.Error(), "cannot find my configuration") {
		t.Fatal(err)
	}
}

func TestReadinessIsTheProtocols(t *testing.T) {
	for _, mode := range []string{"plain", "modern", "banner"} {
		w := newWorld(t, mode, nil)
		status := func() int {
			recorder := httptest.NewRecorder()
			w.hub.Management().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			return recorder.Code
		}
		if status() != 503 {
			t.Fatal("ready before it was tried")
		}
		w.hub.Check(context.Background())
		if status() != 200 || len(w.hub.running()) != 1 {
			t.Fatal(mode, status(), w.hub.reason)
		}
	}
}

func TestDrainingFinishesWhatIsUnderWay(t *testing.T) {
	w := newWorld(t, "plain", nil)
	id := w.begin("")
	late := make(chan answer)
	go func() { late <- w.post(id, calling("1", "late", `{"ms":500}`)) }()
	w.eventually("it is under way", func() bool { return w.hub.running()[0].inFlight() == 1 })
	drained := make(chan struct{})
	go func() { w.hub.Drain(); close(drained) }()
	w.eventually("it drains", w.hub.isDraining)
	for _, got := range []answer{w.post("", hello), w.call(id, "echo", `{"text":"x"}`)} {
		if code, _ := got.fault(); got.status != 503 || code != -32952 {
			t.Fatal(got)
		}
	}
	if got := (<-late).text(); got != "late" {
		t.Fatal(got)
	}
	<-drained
}

func TestDrainingEndsAfterItsGrace(t *testing.T) {
	w := newWorld(t, "stubborn", func(c *Config) { c.DrainGrace, c.EOFGrace = 200*time.Millisecond, 100*time.Millisecond })
	id := w.begin("")
	never := make(chan answer)
	go func() { never <- w.call(id, "hang", "{}") }()
	w.eventually("it is under way", func() bool { return w.hub.running()[0].inFlight() == 1 })
	began := time.Now()
	w.hub.Drain()
	if took := time.Since(began); took > 3*time.Second {
		t.Fatal(took)
	}
	if code, message := (<-never).fault(); code != -32953 || !strings.Contains(message, "was stopped") {
		t.Fatal(code, message)
	}
}

func TestMetricsAreReadable(t *testing.T) {
	w := newWorld(t, "plain", nil)
	w.call(w.begin(""), "crash", "{}")
	recorder := httptest.NewRecorder()
	w.hub.Management().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, row := range []string{"process_crashes_total 1", "sessions_total 1", "failed_requests_total 1"} {
		if !strings.Contains(recorder.Body.String(), "\nquarterdeck_bridge_"+row+"\n") {
			t.Error(row)
		}
	}
}
