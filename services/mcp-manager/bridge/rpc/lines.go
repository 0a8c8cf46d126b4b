package rpc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
)

// EdgeBytes is how much of both ends of a skipped line is kept: SDKs write the id at one of them.
const EdgeBytes = 1024

// Line is a line without its end. One beyond the limit was skipped while it passed: Data is nil, and only its
// size and its two ends are known.
type Line struct {
	Data []byte
	Size int
	Head []byte
	Tail []byte
}

// Lines cuts a stream into lines without ever holding more than one bounded line.
type Lines struct {
	reader *bufio.Reader
	limit  int
}

// NewLines reads lines of at most limit bytes.
func NewLines(reader io.Reader, limit int) *Lines {
	return &Lines{bufio.NewReaderSize(reader, 64*1024), limit}
}

// Next returns the next line; io.EOF at the end. A last line without its end counts.
func (l *Lines) Next() (Line, error) {
	line := Line{}
	for {
		part, err := l.reader.ReadSlice('\n')
		line.add(part, l.limit)
		switch {
		case err == nil:
			return line.done(), nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case line.Size > 0:
			return line.done(), nil
		default:
			return line, err
		}
	}
}

func (l *Line) add(part []byte, limit int) {
	l.Size += len(part)
	if l.Size <= limit+1 && l.Head == nil {
		l.Data = append(l.Data, part...)
		return
	}
	if l.Head == nil {
		whole := append(l.Data, part...)
		l.Head = bytes.Clone(whole[:min(EdgeBytes, len(whole))])
		l.Tail = bytes.Clone(whole[max(0, len(whole)-EdgeBytes):])
		l.Data = nil
		return
	}
	l.Tail = append(l.Tail, part...)
	l.Tail = bytes.Clone(l.Tail[max(0, len(l.Tail)-EdgeBytes):])
}

func (l Line) done() Line {
	l.Data = bytes.TrimRight(l.Data, "\r\n")
	l.Tail = bytes.TrimRight(l.Tail, "\r\n")
	return l
}

const idPattern = `"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.){0,256}")`

var (
	idAtHead     = regexp.MustCompile(`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?` + idPattern + `\s*,`)
	idAtTail     = regexp.MustCompile(`,\s*` + idPattern + `\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$`)
	methodAtHead = regexp.MustCompile(`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?(?:"id"\s*:[^,]{1,300},\s*)?"method"\s*:`)
)

// AnsweredID finds which request an unreadable or oversized line answers: empty if it does not say.
func AnsweredID(head, tail []byte) []byte {
	if found := idAtHead.FindSubmatch(head); found != nil {
		return found[1]
	}
	if found := idAtTail.FindSubmatch(tail); found != nil {
		return found[1]
	}
	return nil
}

// IsInitiative tells whether a line that begins like this is the server's own request or notification.
func IsInitiative(head []byte) bool {
	return methodAtHead.Match(head)
}

// LooksLikeMessage tells a broken message from text that never was one, such as a banner.
func LooksLikeMessage(line []byte) bool {
	return strings.HasPrefix(strings.TrimSpace(string(line[:min(len(line), 64)])), "{")
}
