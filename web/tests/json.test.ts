import { describe, expect, it } from "vitest";
import { formatJson, jsonFault, parseJson, scalarText } from "../src/api/json";

describe("large integers", () => {
  it.each(["9007199254740993", "-9007199254740993", "123456789012345678901234567890"])("keeps the digits of %s", (digits) => {
    const value = parseJson(`{"n": ${digits}}`) as { n: unknown };
    expect(scalarText(value.n)).toBe(digits);
    expect(formatJson(value, 0)).toBe(`{"n":${digits}}`);
  });

  it("leaves everything else to JSON", () => {
    const text = '{"a":1.2345678901234567,"b":9007199254740991,"c":"9007199254740993","d":1e21,"e":"\\"9007199254740993"}';
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });
});

describe("scalarText", () => {
  it.each([
    ["text", "text"],
    [12.5, "12.5"],
    [true, "true"],
    [null, "null"],
  ])("shows %j", (value, shown) => {
    expect(scalarText(value)).toBe(shown);
  });
});

describe("jsonFault", () => {
  it("says what is wrong", () => {
    expect(jsonFault('{"a":1}')).toBe("");
    expect(jsonFault("{a:1}")).not.toBe("");
  });
});
