import { describe, expect, it } from "vitest";
import { decisionBody } from "../src/api/approvals";
import { parseJson } from "../src/api/json";
import { firstText, readAnswer, takesAnswer } from "../src/pages/approval/answer";
import { wording } from "../src/pages/approval/wording";

const BOOKING = { source: "node" as const, editable: true, data: parseJson('{"id":9007199254740993}') };
const QUESTION = { source: "question" as const, editable: false, data: { question: "Which?" } };

describe("readAnswer", () => {
  it("sends nothing while the data is as it was shown", () => {
    expect(readAnswer(BOOKING, firstText(BOOKING))).toEqual({ json: undefined });
  });

  it("sends edited data as typed, with all its digits", () => {
    expect(firstText(BOOKING)).toContain("9007199254740993");
    expect(readAnswer(BOOKING, '{"id":9007199254740995}')).toEqual({ json: '{"id":9007199254740995}' });
  });

  it("refuses what is not JSON", () => {
    expect(readAnswer(BOOKING, "{id}").fault).toMatch(/not JSON/);
  });

  it("takes a question's answer as text", () => {
    expect(firstText(QUESTION)).toBe("");
    expect(readAnswer(QUESTION, '  the "second" one ')).toEqual({ json: '"the \\"second\\" one"' });
    expect(readAnswer(QUESTION, " ").fault).toMatch(/answer/);
  });

  it("changes nothing that cannot be edited", () => {
    const fixed = { ...BOOKING, editable: false };
    expect(takesAnswer(fixed)).toBe(false);
    expect(readAnswer(fixed, "anything")).toEqual({ json: undefined });
  });
});

describe("decisionBody", () => {
  it("binds to the hash and carries the answer as written", () => {
    const decision = { approve: true, comment: 'so "be" it', dataHash: "9f2c" };
    expect(JSON.parse(decisionBody(decision))).toEqual(decision);
    expect(decisionBody({ ...decision, answerJson: '{"id":9007199254740995}' })).toMatch(/,"answer":\{"id":9007199254740995\}\}$/);
  });
});

describe("wording", () => {
  it("says what a decision does", () => {
    expect(wording({ source: "effect" }).approve).toBe("Call it again");
    expect(wording({ source: null }).approve).toBe("Approve");
  });
});
