import { formatJson, scalarText } from "../api/json";
import { count } from "../format/amounts";

const LONGEST = 160;

/** Returns any value on one line, cut to `longest` characters. */
export function compact(value: unknown, longest = LONGEST): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "object" && "$artifact" in value) return artifactText(value);
  const text = typeof value === "object" ? formatJson(value, 0) : scalarText(value);
  return shorten(text.replace(/\s+/g, " ").trim(), longest);
}

/** A value too large for the journal lies elsewhere; its digest says nothing to a reader. */
function artifactText(value: object): string {
  const size = "size" in value && typeof value.size === "number" ? ` of ${count(value.size)} bytes` : "";
  return `artifact${size}`;
}

/** Returns a text cut to `longest` characters, with an ellipsis where it was cut. */
export function shorten(text: string, longest = LONGEST): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

/** Returns an error of a journal: its class, where it happened, its message. */
export function errorText(error: unknown): string {
  if (typeof error !== "object" || error === null) return compact(error) || "failed";
  const { class: kind = "error", node, message = "" } = error as Record<string, unknown>;
  return `${compact(kind)}${node ? ` at ${compact(node)}` : ""}: ${compact(message)}`;
}

/** Returns what an effect or a child is about: "ledger/book", "Agent/invoice-matcher". */
export function targetText(target: unknown): string {
  if (typeof target !== "object" || target === null) return compact(target);
  return Object.values(target).map((part) => compact(part, 60)).join("/");
}

/** Returns the given words with spaces between, without the empty ones. */
export function words(...parts: unknown[]): string {
  return parts.map((part) => compact(part)).filter(Boolean).join(" ");
}
