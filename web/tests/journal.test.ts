import { describe, expect, it } from "vitest";
import type { RunEvent } from "../src/api/types";
import { append, EMPTY } from "../src/journal/append";
import { fold, progressText } from "../src/journal/fold";
import { tone } from "../src/journal/outcome";
import { headline, summary } from "../src/journal/summary";

function event(seq: number, type: string, data: Record<string, unknown> = {}): RunEvent {
  return { runId: "r", seq, type, at: "2026-03-01T12:00:00Z", data };
}

describe("fold", () => {
  const events = [
    event(1, "step.started", { step: "match" }),
    event(2, "children.started", { step: "match", first: 0, count: 2, total: 5 }),
    event(3, "children.progress", { step: "match", done: 2, failed: 0 }),
    event(4, "children.progress", { step: "other", done: 1, failed: 0 }),
    event(5, "children.progress", { step: "match", done: 1, failed: 1 }),
    event(6, "children.started", { step: "match", first: 2, count: 3, total: 5 }),
    event(7, "children.joined", { step: "match" }),
  ];

  it("makes one row of neighbouring progress of a step and counts on", () => {
    const rows = fold(events);
    expect(rows.map((row) => row.events.map(({ seq }) => seq))).toEqual([[1], [2, 3], [4], [5, 6], [7]]);
    expect(rows.map((row) => row.progress && progressText(row.progress))).toEqual([
      undefined,
      "match: 2 of 5 done",
      "other: 1 of 0 done",
      "match: 3 of 5 done, 1 failed",
      undefined,
    ]);
  });

  it("counts anew when the step begins anew, and leaves a single child alone", () => {
    const again = event(8, "children.started", { step: "match", first: 0, count: 5, total: 5 });
    expect(fold([...events, again]).at(-1)?.progress).toMatchObject({ done: 0, failed: 0, total: 5 });
    expect(fold([event(1, "children.started", { step: "s", first: 0, count: 1, total: 1 })])[0]?.progress).toBeUndefined();
  });
});

describe("append", () => {
  it("keeps the order, leaves out what is there, and shows what is live until the next entry", () => {
    const first = append(EMPTY, [event(1, "a"), event(2, "b"), event(0, "model.delta")]);
    expect(first.live?.type).toBe("model.delta");
    const second = append(first, [event(2, "b"), event(3, "c")]);
    expect(second.events.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(second.live).toBeNull();
  });
});

describe("summary", () => {
  it.each([
    ["run.started", { kind: "Workflow", name: "match" }, "Workflow/match"],
    ["step.started", { step: "park", kind: "tool" }, "park (tool)"],
    ["step.completed", { step: "a", output: { to: "b" } }, 'a → {"to":"b"}'],
    ["step.failed", { step: "a", error: { class: "tool", node: "a", message: "away" } }, "a: tool at a: away"],
    ["effect.intent", { kind: "tool", target: { server: "ledger", tool: "book" }, attempt: 2, arguments: { n: 1 } },
      'tool ledger/book (attempt 2) {"n":1}'],
    ["effect.outcome", { status: "ok", cost: 1500, result: { n: 1 } }, 'ok ($0.0015) {"n":1}'],
    ["effect.outcome", { status: "ok", result: { $artifact: "sha256:0", size: 46841 } }, "ok artifact of 46,841 bytes"],
    ["effect.outcome", { status: "failed", error: { class: "tool", message: "no" } }, "failed tool: no"],
    ["approval.decided", { approved: true, by: "ann", comment: "fits" }, "approved by ann: fits"],
    ["approval.decided", { expired: true }, "expired"],
    ["message.appended", { message: { role: "assistant", content: [{ text: "Hm." }, { name: "book", input: { n: 1 } }] } },
      'assistant: Hm. [book {"n":1}]'],
    ["something.new", { a: 1 }, '{"a":1}'],
    ["run.failed", {}, "failed"],
  ])("says what %s means", (type, data, said) => {
    expect(summary(event(1, type, data))).toBe(said);
  });

  it("is one line of bounded length", () => {
    const said = summary(event(1, "run.succeeded", { output: "long\n".repeat(500) }));
    expect(said).toHaveLength(160);
    expect(said).not.toContain("\n");
  });

  it("has a headline in words", () => {
    expect(headline("run.timed-out")).toBe("run timed out");
  });
});

describe("tone", () => {
  it.each([
    ["run.succeeded", {}, "good"],
    ["step.failed", {}, "bad"],
    ["effect.outcome", { status: "ok" }, "outside"],
    ["effect.outcome", { status: "uncertain" }, "bad"],
    ["child.finished", { state: "failed" }, "bad"],
    ["approval.requested", {}, "person"],
    ["approval.decided", { approved: false }, "bad"],
    ["step.started", {}, "plain"],
  ])("of %s %j", (type, data, expected) => {
    expect(tone(event(1, type, data))).toBe(expected);
  });
});
