import { describe, expect, it } from "vitest";
import { SseParser } from "../src/api/sse";

const STREAM = 'retry: 1500\n\nid: 1\nevent: run.started\ndata: {"a":\ndata: 1}\n\n: heartbeat\n\ndata:x\n\n';
const FRAMES = [
  { id: "1", event: "run.started", data: '{"a":\n1}' },
  { id: "", event: "message", data: "x" },
];

describe("SseParser", () => {
  it("reads events, joins lines of data and leaves out comments", () => {
    const parser = new SseParser();
    expect(parser.push(STREAM)).toEqual(FRAMES);
    expect(parser.retry).toBe(1500);
  });

  it.each(["\n", "\r\n", "\r"])("reads lines that end in %j, cut at any place", (end) => {
    const text = STREAM.replaceAll("\n", end);
    for (let size = 1; size <= text.length; size++) {
      const parser = new SseParser();
      const frames = [];
      for (let at = 0; at < text.length; at += size) frames.push(...parser.push(text.slice(at, at + size)));
      // A carriage return at the very end may be half of a line's end; what follows decides.
      frames.push(...parser.push(": end"));
      expect(frames, `pieces of ${size}`).toEqual(FRAMES);
    }
  });

  it("gives nothing for an event without data or without an end", () => {
    const parser = new SseParser();
    expect(parser.push("id: 7\nevent: x\n\n")).toEqual([]);
    expect(parser.push("id: 8\ndata: y\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ id: "8", event: "message", data: "y" }]);
  });

  it("skips a byte order mark, unknown fields and ids with a zero byte", () => {
    const parser = new SseParser();
    expect(parser.push("\uFEFFdata: a\ncolour: red\nid: 1\u0000\nretry: soon\n\n")).toEqual([
      { id: "", event: "message", data: "a" },
    ]);
    expect(parser.retry).toBeUndefined();
  });
});
