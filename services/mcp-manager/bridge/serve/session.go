package serve

import (
	"encoding/json"
	"time"
)

// session is what one client, or several that share its id, has with the server. Its fields are guarded by its
// link's lock.
type session struct {
	id   string
	link *link
	// begins is the method by which sessions of its era begin.
	begins string
	// common tells that clients who share nothing meet here: nothing is sent to them that is not clearly theirs.
	common    bool
	used      time.Time
	exchanges map[*exchange]struct{}
	listeners []*outlet
	held      [][]byte
	// greeting is what the server answered to the handshake, kept for clients that come later under the same id;
	// greeted is there from the first handshake on and closed with its answer.
	greeting  json.RawMessage
	greeted   chan struct{}
	welcomed  bool
	confirmed bool
}

// exchange is one POST: requests of a client, and the outlet on which their answers go.
type exchange struct {
	*outlet
	session *session
	// streams tells that the client takes a stream, so that other messages can go before the answer.
	streams bool
	waiting int
	opened  time.Time
}

func newSession(id, begins string, common bool) *session {
	return &session{id: id, begins: begins, common: common, used: time.Now(), exchanges: map[*exchange]struct{}{}}
}

// outletFor chooses where a message goes that names no request: the one POST that is open, since it is most
// likely about that; else the client's listening stream; else the oldest POST. Nil: nowhere now.
func (s *session) outletFor() *outlet {
	oldest := s.oldest()
	if len(s.exchanges) == 1 && oldest != nil {
		return oldest
	}
	if s.common {
		return nil
	}
	for at := len(s.listeners) - 1; at >= 0; at-- {
		if !s.listeners[at].isClosed() {
			return s.listeners[at]
		}
	}
	return oldest
}

// oldest returns the POST that takes a stream and has been open for longest.
func (s *session) oldest() *outlet {
	var found *exchange
	for one := range s.exchanges {
		if one.streams && !one.isClosed() && (found == nil || one.opened.Before(found.opened)) {
			found = one
		}
	}
	if found == nil {
		return nil
	}
	return found.outlet
}

// hold keeps a message until a client listens; returns the one that had to make room.
func (s *session) hold(line []byte) (dropped []byte) {
	if len(s.held) >= heldEvents {
		dropped, s.held = s.held[0], s.held[1:]
	}
	s.held = append(s.held, line)
	return dropped
}

// listen adds an outlet for messages that belong to no request, and gives it what was held.
func (s *session) listen(o *outlet) {
	s.listeners = append(s.listeners, o)
	s.flush(o)
}

func (s *session) flush(o *outlet) {
	for len(s.held) > 0 && o.offer(event{data: s.held[0]}) == taken {
		s.held = s.held[1:]
	}
}

func (s *session) unlisten(o *outlet) {
	for at, one := range s.listeners {
		if one == o {
			s.listeners = append(s.listeners[:at:at], s.listeners[at+1:]...)
			return
		}
	}
}

// greet keeps the answer to the handshake, nil if the server refused it.
func (s *session) greet(answer json.RawMessage) {
	if s.greeted == nil || s.welcomed {
		return
	}
	s.greeting, s.welcomed = answer, true
	close(s.greeted)
}

// idleSince returns since when nobody has used it; false while somebody does.
func (s *session) idleSince() (time.Time, bool) {
	return s.used, len(s.exchanges) == 0 && len(s.listeners) == 0
}
