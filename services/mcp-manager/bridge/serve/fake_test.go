package serve

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"quarterdeck.dev/bridge/child"
)

// The test program is also the server behind the bridge: a real process that misbehaves on demand.
func TestMain(m *testing.M) {
	if os.Getenv("BRIDGE_FAKE") != "" {
		fake()
		return
	}
	reaper = child.NewReaper()
	os.Exit(m.Run())
}

var reaper *child.Reaper

type fakeMessage struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
		RequestID json.RawMessage
		Meta      map[string]json.RawMessage `json:"_meta"`
	} `json:"params"`
	Result json.RawMessage `json:"result,omitempty"`
}

func say(format string, values ...any) { fmt.Printf(format+"\n", values...) }

func result(id json.RawMessage, text string) {
	quoted, _ := json.Marshal(text)
	say(`{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":%s}]}}`, id, quoted)
}

func fake() {
	switch os.Getenv("BRIDGE_FAKE") {
	case "banner":
		say("Welcome to the fake!")
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	case "broken":
		fmt.Fprintln(os.Stderr, "cannot find my configuration")
		os.Exit(4)
	}
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	state, greeted := "", 0
	var cancelled []string
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			if os.Getenv("BRIDGE_FAKE") == "stubborn" {
				time.Sleep(time.Minute)
			}
			return
		}
		var message fakeMessage
		_ = json.Unmarshal(line, &message)
		switch message.Method {
		case "initialize":
			if os.Getenv("BRIDGE_FAKE") == "modern" {
				say(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"Unsupported protocol version"}}`, message.ID)
				continue
			}
			if greeted++; greeted > 1 && os.Getenv("BRIDGE_FAKE") == "once" {
				say(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32600,"message":"initialized already"}}`, message.ID)
				continue
			}
			say(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"fake %d","version":"1"}}}`, message.ID, os.Getpid())
		case "server/discover":
			if mode := os.Getenv("BRIDGE_FAKE"); mode == "modern" || mode == "once" {
				say(`{"jsonrpc":"2.0","id":%s,"result":{"supportedVersions":["2026-07-28"]}}`, message.ID)
			} else {
				say(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, message.ID)
			}
		case "ping":
			say(`{"jsonrpc":"2.0","id":%s,"result":{}}`, message.ID)
		case "notifications/cancelled":
			cancelled = append(cancelled, string(line))
		case "tools/call":
			a := message.Params.Arguments
			switch message.Params.Name {
			case "echo":
				result(message.ID, a["text"].(string))
			case "pid":
				result(message.ID, fmt.Sprint(os.Getpid()))
			case "set":
				state = a["text"].(string)
				result(message.ID, "kept")
			case "get":
				result(message.ID, state)
			case "cancelled":
				result(message.ID, strings.Join(cancelled, ""))
			case "hang":
			case "late":
				time.AfterFunc(time.Duration(a["ms"].(float64))*time.Millisecond, func() { result(message.ID, "late") })
			case "crash":
				fmt.Fprintln(os.Stderr, "about to crash on purpose")
				os.Exit(3)
			case "die":
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			case "progress":
				for step := 1; step <= 3; step++ {
					say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d,"total":3}}`, message.Params.Meta["progressToken"], step)
				}
				result(message.ID, "done")
			case "ask":
				say(`{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"message":"really?"}}`)
				line, _ := input.ReadBytes('\n')
				result(message.ID, strings.TrimSpace(string(line)))
			case "announce":
				say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
				result(message.ID, "announced")
			case "announce_later":
				time.AfterFunc(100*time.Millisecond, func() {
					say(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
				})
				result(message.ID, "will")
			case "big":
				result(message.ID, strings.Repeat("x", int(a["bytes"].(float64))))
			case "big_id_last":
				say(`{"jsonrpc":"2.0","result":{"content":"%s"},"id":%s}`, strings.Repeat("x", int(a["bytes"].(float64))), message.ID)
			case "garbage":
				say("Segmentation fault (just kidding)")
				result(message.ID, "fine")
			case "invalid":
				say(`{"jsonrpc": "2.0", "id": %s, "result": {"content": [}`, message.ID)
			case "pretty":
				say(`{"jsonrpc": "2.0", "id": "%s", "result": {"a": "<b>&", "n": 12345678901234567890}}`, message.ID)
			case "flood":
				for n := range 5000 {
					say(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"%d %s"}}`, n, strings.Repeat("x", 10000))
				}
				result(message.ID, "flooded")
			case "deaf":
				result(message.ID, "not listening for a second")
				time.Sleep(time.Second)
			case "orphan":
				result(message.ID, orphan())
			case "environment":
				result(message.ID, os.Getenv("HOME")+" "+os.Getenv("TMPDIR"))
			}
		}
	}
}

// orphan leaves a process in a session of its own behind, holding the server's output open.
func orphan() string {
	pid, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "60"}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(pid)
}
