// JSON in which large integers keep all their digits. JSON.parse would round them, and what a
// person approves must be what is shown. Such an integer is held as a marked string.

const MARK = "\u0000int:";
const STRING_OR_LARGE = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
// A fraction's digits look like an integer's; they are told by what stands before them.
const IN_FRACTION = /[.\deE+]$/;
const MARKED = /"\\u0000int:(-?\d+)"/g;

/** Returns the value of a JSON text. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  return JSON.parse(text.replace(STRING_OR_LARGE, markLarge));
}

function markLarge(token: string, at: number, text: string): string {
  if (token.startsWith('"') || Number.isSafeInteger(Number(token))) return token;
  if (IN_FRACTION.test(text.slice(Math.max(0, at - 1), at))) return token;
  return JSON.stringify(MARK + token);
}

/** Returns the JSON text of a value that came from `parseJson`. */
export function formatJson(value: unknown, indent = 2): string {
  return (JSON.stringify(value, null, indent) ?? "null").replace(MARKED, "$1");
}

/** Returns the text of a scalar: a string without quotes, a large integer with all its digits. */
export function scalarText(value: unknown): string {
  if (typeof value !== "string") return formatJson(value, 0);
  return value.startsWith(MARK) ? value.slice(MARK.length) : value;
}

/** Returns why a text is not JSON, empty if it is. */
export function jsonFault(text: string): string {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
