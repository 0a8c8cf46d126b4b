import type { RunEvent } from "../api/types";
import { money } from "../format/amounts";
import { moment } from "../format/time";
import { compact, errorText, shorten, targetText, words } from "./text";

type Data = Record<string, unknown>;

/** Returns what an event says, in one line. */
export function summary(event: RunEvent): string {
  const describe = SUMMARIES[event.type];
  return shorten(describe ? describe(event.data) : compact(event.data));
}

/** Returns the headline of an event type: "step.started" becomes "step started". */
export function headline(type: string): string {
  return type.replace(".", " ").replaceAll("-", " ");
}

const SUMMARIES: Record<string, (data: Data) => string> = {
  "run.started": (data) => `${compact(data["kind"])}/${compact(data["name"])}`,
  "run.succeeded": (data) => compact(data["output"]),
  "run.failed": (data) => errorText(data["error"]),
  "run.cancelled": (data) => errorText(data["error"]),
  "run.timed-out": (data) => errorText(data["error"]),
  "run.stopping": (data) => words(data["reason"], data["error"] && errorText(data["error"])),
  "run.phase": (data) => compact(data["phase"]),
  "run.parked": (data) => words(data["step"], data["reason"]),
  "run.paused": (data) => words(data["by"] && `by ${compact(data["by"])}`, data["reason"]),
  "run.resumed": (data) => words(data["by"] && `by ${compact(data["by"])}`, data["resolution"]),
  "step.started": (data) => words(data["step"], data["kind"] && `(${compact(data["kind"])})`),
  "step.retrying": (data) => `${compact(data["step"])} again after ${errorText(data["error"])}`,
  "step.completed": completed,
  "step.failed": (data) => `${compact(data["step"])}: ${errorText(data["error"])}`,
  "children.started": (data) => words(targetText(data["target"]), data["count"], "of", data["total"]),
  "children.joined": completed,
  "child.finished": (data) => words(data["step"], data["state"], data["error"] && errorText(data["error"])),
  "effect.intent": intent,
  "effect.outcome": outcome,
  "timer.set": timerSet,
  "timer.fired": (data) => words(data["purpose"], data["timer"]),
  "approval.requested": (data) => compact(data["title"]),
  "approval.decided": decided,
  "signal.awaited": (data) => words(data["step"], "waits for", data["name"]),
  "signal.received": (data) => words(data["name"], data["payload"]),
  "signal.consumed": (data) => words(data["step"], data["name"]),
  "message.appended": (data) => message(data["message"]),
  "cancel.requested": (data) => words(data["by"] && `by ${compact(data["by"])}`, data["reason"]),
};

function completed(data: Data): string {
  const output = compact(data["output"], 100);
  return output ? `${compact(data["step"])} → ${output}` : compact(data["step"]);
}

function intent(data: Data): string {
  const attempt = Number(data["attempt"] ?? 1);
  const again = attempt > 1 ? `(attempt ${attempt})` : "";
  return words(data["kind"], targetText(data["target"]), again, compact(data["arguments"], 100));
}

function outcome(data: Data): string {
  const cost = typeof data["cost"] === "number" && data["cost"] > 0 ? `(${money(data["cost"])})` : "";
  return words(data["status"], cost, data["error"] ? errorText(data["error"]) : compact(data["result"], 100));
}

function timerSet(data: Data): string {
  const due = typeof data["due"] === "number" ? `due ${moment(new Date(data["due"] * 1000).toISOString())}` : "";
  return words(data["purpose"], data["step"], due);
}

function decided(data: Data): string {
  if (data["expired"]) return "expired";
  const comment = data["comment"] ? `: ${compact(data["comment"])}` : "";
  return `${data["approved"] ? "approved" : "rejected"} by ${compact(data["by"])}${comment}`;
}

function message(value: unknown): string {
  if (typeof value !== "object" || value === null) return compact(value);
  const { role, content } = value as Data;
  return words(role && `${compact(role)}:`, Array.isArray(content) ? content.map(part).join(" ") : content);
}

function part(value: unknown): string {
  const { text, name, arguments: given, input } = (value ?? {}) as Data;
  if (text) return compact(text);
  return name ? `[${words(name, compact(given ?? input, 80))}]` : compact(value, 80);
}
