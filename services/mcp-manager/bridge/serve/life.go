package serve

import (
	"context"
	"sync"
	"time"
)

// Tidy ends what nobody uses, until the context ends.
func (h *Hub) Tidy(ctx context.Context) {
	every := time.NewTicker(max(h.config.Idle/4, 50*time.Millisecond))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			h.tidy(time.Now().Add(-h.config.Idle))
		}
	}
}

func (h *Hub) tidy(before time.Time) {
	sessions, links := h.idle(before)
	for _, id := range sessions {
		h.leave(id, "it was not used for "+h.config.Idle.String())
	}
	for _, unused := range links {
		go unused.stop()
	}
}

// idle returns the sessions, and the processes that several share, that have not been used since then.
func (h *Hub) idle(before time.Time) (ids []string, links []*link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, s := range h.sessions {
		if s.link.isIdle(s, before) {
			ids = append(ids, id)
		}
	}
	if h.common != nil && h.common.link.isIdle(h.common, before) {
		links = append(links, h.common.link)
		h.common = nil
	}
	if h.shared != nil && h.shared.unused(before) {
		links = append(links, h.shared)
		h.shared = nil
	}
	return ids, links
}

func (l *link) isIdle(s *session, before time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	used, free := s.idleSince()
	return free && used.Before(before)
}

func (l *link) unused(before time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions) == 0 && l.used.Before(before)
}

// Drain takes no new request, waits for those in flight as long as the grace lasts, and ends all processes.
func (h *Hub) Drain() {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	until := time.Now().Add(h.config.DrainGrace)
	for h.busy() && time.Now().Before(until) {
		time.Sleep(20 * time.Millisecond)
	}
	h.stopAll()
}

// Abandon kills all processes at once.
func (h *Hub) Abandon() {
	for _, one := range h.running() {
		one.child.Kill()
	}
}

func (h *Hub) isDraining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

func (h *Hub) running() []*link {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := make([]*link, 0, len(h.links))
	for one := range h.links {
		found = append(found, one)
	}
	return found
}

func (h *Hub) busy() bool {
	for _, one := range h.running() {
		if one.inFlight() > 0 {
			return true
		}
	}
	return false
}

func (h *Hub) stopAll() {
	var stopping sync.WaitGroup
	for _, one := range h.running() {
		stopping.Go(one.stop)
	}
	stopping.Wait()
}
