import { describe, expect, it } from "vitest";
import { count, counted, money } from "../src/format/amounts";
import { age, duration, secondsBetween } from "../src/format/time";

describe("duration", () => {
  it.each([
    [-1, "0.0 s"],
    [0.04, "0.0 s"],
    [9.94, "9.9 s"],
    [9.96, "10 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [185, "3 min 5 s"],
    [7800, "2 h 10 min"],
    [86_400, "1 d"],
    [356_400, "4 d 3 h"],
  ])("shows %d seconds", (seconds, shown) => {
    expect(duration(seconds)).toBe(shown);
  });
});

describe("age", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  it.each([
    [null, "–"],
    ["2026-03-01T12:00:05Z", "now"],
    ["2026-03-01T11:59:48Z", "12 s"],
    ["2026-03-01T11:57:01Z", "2 min"],
    ["2026-03-01T09:00:00Z", "3 h"],
    ["2026-02-25T12:00:00Z", "4 d"],
  ])("shows %s", (at, shown) => {
    expect(age(at, now)).toBe(shown);
  });
});

describe("secondsBetween", () => {
  it("counts to the end, or to now", () => {
    const from = "2026-03-01T12:00:00Z";
    expect(secondsBetween(from, "2026-03-01T12:00:01.500Z", 0)).toBe(1.5);
    expect(secondsBetween(from, null, Date.parse(from) + 3000)).toBe(3);
    expect(secondsBetween(null, null, 5)).toBe(0);
  });
});

describe("amounts", () => {
  it.each([
    [0, "$0"],
    [1500, "$0.0015"],
    [10_000, "$0.01"],
    [1_234_567, "$1.23"],
  ])("shows %d millionths of a dollar", (amount, shown) => {
    expect(money(amount)).toBe(shown);
  });

  it("tells thousands apart and one from many", () => {
    expect(count(1_865_146)).toBe("1,865,146");
    expect([1, 2].map((value) => counted(value, "approval"))).toEqual(["1 approval", "2 approvals"]);
  });
});
