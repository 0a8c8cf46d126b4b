package serve

import (
	"context"
	"strconv"
	"syscall"
	"testing"
)

func (w *world) pids() map[string]bool {
	found := map[string]bool{}
	for _, one := range w.hub.Status().Processes {
		found[strconv.Itoa(one.Pid)] = true
	}
	return found
}

func TestTheProcessThatWasTriedIsTheFirstSessions(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := newWorld(t, "plain", func(c *Config) { c.Shared = shared })
		w.hub.Check(context.Background())
		waiting := w.pids()
		first := w.call(w.begin(""), "pid", "{}").text()
		if len(waiting) != 1 || !waiting[first] {
			t.Fatal(shared, waiting, first)
		}
		second := w.call(w.begin(""), "pid", "{}").text()
		if (second == first) != shared {
			t.Fatal("two sessions, one process:", shared)
		}
	}
}

func TestClientsOfTheNewerEraMeetInTheProcessThatWasTried(t *testing.T) {
	w := newWorld(t, "modern", nil)
	w.hub.Check(context.Background())
	if w.hub.spare == nil {
		t.Fatal("none waits")
	}
	if _, no := w.hub.meeting(); no != nil || len(w.hub.running()) != 1 || w.hub.spare != nil {
		t.Fatal(no, w.pids())
	}
}

func TestClientsOfTheOtherEraStartTheirOwn(t *testing.T) {
	w := newWorld(t, "plain", nil)
	w.hub.Check(context.Background())
	if _, no := w.hub.meeting(); no != nil || len(w.hub.running()) != 2 || w.hub.spare == nil {
		t.Fatal(no, w.pids())
	}
}

func TestAServerThatShakesHandsOnlyOnceIsReadyAndStartedAnew(t *testing.T) {
	w := newWorld(t, "once", nil)
	w.hub.Check(context.Background())
	if !w.hub.Status().Ready || w.hub.spare != nil || len(w.hub.running()) != 0 {
		t.Fatal(w.hub.Status())
	}
	if got := w.call(w.begin(""), "echo", `{"text":"fresh"}`).text(); got != "fresh" {
		t.Fatal(got)
	}
}

func TestAWaitingProcessThatEndsIsReplacedByTheFirstSession(t *testing.T) {
	w := newWorld(t, "plain", nil)
	w.hub.Check(context.Background())
	for pid := range w.pids() {
		number, _ := strconv.Atoi(pid)
		_ = syscall.Kill(number, syscall.SIGKILL)
	}
	w.eventually("its end is known", func() bool { return len(w.hub.running()) == 0 })
	if got := w.call(w.begin(""), "echo", `{"text":"fresh"}`).text(); got != "fresh" {
		t.Fatal(got)
	}
}

func TestNothingIsKeptInAPodThatShutsDown(t *testing.T) {
	w := newWorld(t, "plain", nil)
	tried, method, err := w.hub.try(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	w.hub.Drain()
	w.hub.keep(context.Background(), tried, method)
	if w.hub.spare != nil || len(w.hub.running()) != 0 {
		t.Fatal(w.hub.Status())
	}
}
