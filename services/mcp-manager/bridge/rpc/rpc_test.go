package rpc

import (
	"io"
	"strings"
	"testing"
)

func TestLinesAreBounded(t *testing.T) {
	long := `{"id": 5, "result": "` + strings.Repeat("x", 200_000) + `"}`
	lines := NewLines(strings.NewReader("first\r\n"+long+"\n\nlast"), 1000)
	first, _ := lines.Next()
	if string(first.Data) != "first" {
		t.Fatalf("%q", first.Data)
	}
	skipped, _ := lines.Next()
	if skipped.Data != nil || skipped.Size != len(long)+1 || len(skipped.Head) != EdgeBytes {
		t.Fatal(skipped.Size, len(skipped.Head), len(skipped.Tail))
	}
	if id := AnsweredID(skipped.Head, skipped.Tail); string(id) != "5" {
		t.Fatalf("%q", id)
	}
	if empty, err := lines.Next(); err != nil || len(empty.Data) != 0 {
		t.Fatal(empty, err)
	}
	if last, _ := lines.Next(); string(last.Data) != "last" {
		t.Fatalf("%q", last.Data)
	}
	if _, err := lines.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestALineAtTheLimitPasses(t *testing.T) {
	for _, size := range []int{999, 1000, 1001} {
		line, err := NewLines(strings.NewReader(strings.Repeat("x", size)+"\n"), 1000).Next()
		if kept := line.Data != nil; err != nil || kept != (size <= 1000) {
			t.Fatal(size, err)
		}
	}
}

func TestIDsAreFoundAtBothEnds(t *testing.T) {
	for line, wanted := range map[string]string{
		`{"jsonrpc":"2.0","id":7,"result":`:    "7",
		`{"id": "a\"b", "result":`:             `"a\"b"`,
		`"x"}},"id":8}`:                        "8",
		`"x"}}, "id": 9, "jsonrpc": "2.0"}`:    "9",
		`{"result":{"id":3},"more":`:           "",
		`{"jsonrpc":"2.0","method":"x","id":1`: "",
	} {
		if got := string(AnsweredID([]byte(line), []byte(line))); got != wanted {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestInitiativesAreKnownByTheirBeginning(t *testing.T) {
	for line, wanted := range map[string]bool{
		`{"jsonrpc":"2.0","method":"notifications/message","params":{`: true,
		`{"jsonrpc":"2.0","id":3,"method":"roots/list"`:                true,
		`{"jsonrpc":"2.0","id":3,"result":{"method":"x"`:               false,
	} {
		if got := IsInitiative([]byte(line)); got != wanted {
			t.Error(line)
		}
	}
}

func TestMessagesAreOneLine(t *testing.T) {
	message, err := Parse([]byte("{\"id\": 1,\n\"method\": \"a<b\", \"params\": {\r\n \"x\": \"\\n\"}}"))
	if err != nil {
		t.Fatal(err)
	}
	if line := string(message.Encode()); line != `{"jsonrpc":"2.0","id":1,"method":"a<b","params":{"x":"\n"}}` {
		t.Fatal(line)
	}
}

func TestNamesOfMembersAreTakenAsWritten(t *testing.T) {
	message, err := Parse([]byte(`{"ID": 1, "id": 2, "Method": "no", "method": "yes"}`))
	if err != nil || message.Method != "yes" || string(message.ID) != "2" {
		t.Fatal(message, err)
	}
}

func TestTokensAreReplaced(t *testing.T) {
	params, old := WithToken([]byte(`{"_meta":{"progressToken":"mine","more":1},"name":"x"}`), NumberID(3))
	if string(old) != `"mine"` || string(params) != `{"_meta":{"more":1,"progressToken":3},"name":"x"}` {
		t.Fatal(string(params), string(old))
	}
	for _, without := range []string{`{"name":"progressToken"}`, `{}`, `[1]`, ``} {
		if same, old := WithToken([]byte(without), NumberID(3)); string(same) != without || old != nil {
			t.Fatal(without)
		}
	}
}

// Whatever arrives: nothing breaks, and what is taken for a message comes out as one line that reads the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"id":1,"method":"x"}`, `{"id":"a","result":{}}`, `[{"method":"x"}]`, `{`, "{\"method\":\"\\u2028\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		messages, _, err := ParseBody(data)
		if err != nil {
			return
		}
		for _, message := range messages {
			line := message.Encode()
			again, err := Parse(line)
			if err != nil || strings.ContainsAny(string(line), "\r\n") || again.Method != message.Method || again.Kind != message.Kind {
				t.Fatalf("%q: %v", line, err)
			}
		}
	})
}
