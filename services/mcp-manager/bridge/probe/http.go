package probe

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"quarterdeck.dev/bridge/rpc"
)

// largest is the largest answer that a probe reads, in bytes.
const largest = 4 << 20

// Server is an MCP endpoint and what its requests carry.
type Server struct {
	URL     string
	Header  http.Header
	Client  *http.Client
	session string
	version string
}

// Probe returns nil if the server answers: to server/discover, or to the older era's handshake and a ping. A
// session that was begun is ended.
func (s *Server) Probe(ctx context.Context) error {
	defer s.leave(context.WithoutCancel(ctx))
	s.version = Stateless
	answer, err := s.post(ctx, Discover())
	if answer.Result != nil {
		return nil
	}
	if final := whyFinal(err); final != nil {
		return final
	}
	s.version = ""
	return s.handshake(ctx)
}

func (s *Server) handshake(ctx context.Context) error {
	answer, err := s.post(ctx, Initialize())
	if err != nil {
		return err
	}
	if answer.Result == nil {
		return fmt.Errorf("initialize: %s", Reason(answer))
	}
	s.version = rpc.Named(answer.Result, "protocolVersion")
	return Ping(func(message rpc.Message) (rpc.Message, error) { return s.post(ctx, message) })
}

// statusError is an answer that holds no JSON-RPC message.
type statusError struct {
	method string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: answered %d %s", e.method, e.status, http.StatusText(e.status))
}

// whyFinal returns the error if asking in the older era cannot help: nobody is there, nobody may ask, or the
// server is in trouble.
func whyFinal(err error) error {
	var unreachable *url.Error
	var refused *statusError
	if errors.As(err, &unreachable) {
		return err
	}
	if errors.As(err, &refused) && (refused.status == http.StatusUnauthorized ||
		refused.status == http.StatusForbidden || refused.status >= http.StatusInternalServerError) {
		return err
	}
	return nil
}

func (s *Server) post(ctx context.Context, message rpc.Message) (rpc.Message, error) {
	request, err := s.request(ctx, http.MethodPost, bytes.NewReader(message.Encode()))
	if err != nil {
		return rpc.Message{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	if s.version == Stateless {
		request.Header.Set("Mcp-Method", message.Method)
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return rpc.Message{}, err
	}
	defer response.Body.Close()
	if begun := response.Header.Get("Mcp-Session-Id"); begun != "" {
		s.session = begun
	}
	answer, err := read(response, message.ID)
	if message.Kind == rpc.Notification && response.StatusCode < http.StatusBadRequest || err == nil {
		return answer, nil
	}
	if response.StatusCode >= http.StatusBadRequest {
		return rpc.Message{}, &statusError{message.Method, response.StatusCode}
	}
	return rpc.Message{}, fmt.Errorf("%s: %w", message.Method, err)
}

func (s *Server) request(ctx context.Context, method string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.URL, body)
	if err != nil {
		return nil, err
	}
	request.Header = s.Header.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if s.session != "" {
		request.Header.Set("Mcp-Session-Id", s.session)
	}
	if s.version != "" {
		request.Header.Set("Mcp-Protocol-Version", s.version)
	}
	return request, nil
}

// leave ends the session. Servers that keep none, or do not let clients end them, say so; that is theirs.
func (s *Server) leave(ctx context.Context) {
	if s.session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.Client.Timeout)
	defer cancel()
	request, err := s.request(ctx, http.MethodDelete, nil)
	if err != nil {
		return
	}
	if response, err := s.Client.Do(request); err == nil {
		_ = response.Body.Close()
	}
}

// read finds the answer to a request in a document or a stream.
func read(response *http.Response, id []byte) (rpc.Message, error) {
	body := io.LimitReader(response.Body, largest)
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		data, err := io.ReadAll(body)
		if err != nil {
			return rpc.Message{}, err
		}
		message, err := rpc.Parse(data)
		if err == nil && message.Kind != rpc.Response {
			err = errors.New("the answer is no response")
		}
		return message, err
	}
	rows := bufio.NewScanner(body)
	rows.Buffer(nil, largest)
	for rows.Scan() {
		data, found := strings.CutPrefix(rows.Text(), "data:")
		if !found {
			continue
		}
		message, err := rpc.Parse([]byte(strings.TrimSpace(data)))
		if err == nil && message.Kind == rpc.Response && bytes.Equal(message.ID, id) {
			return message, nil
		}
	}
	return rpc.Message{}, errors.New("the stream ended without an answer")
}
