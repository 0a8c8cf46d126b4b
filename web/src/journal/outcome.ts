import type { RunEvent } from "../api/types";

export type Tone = "good" | "bad" | "person" | "outside" | "plain";

const BAD = new Set(["step.failed", "run.failed", "run.cancelled", "run.timed-out", "run.stopping", "cancel.requested"]);
const PERSON = new Set(["approval.requested", "approval.decided", "run.parked", "signal.awaited"]);
const OUTSIDE = new Set(["effect.intent", "effect.outcome", "children.started", "child.finished", "step.retrying"]);

/** Returns the colour of an event on the time line. */
export function tone(event: RunEvent): Tone {
  if (BAD.has(event.type) || hasFailed(event)) return "bad";
  if (event.type === "run.succeeded") return "good";
  if (PERSON.has(event.type)) return "person";
  return OUTSIDE.has(event.type) ? "outside" : "plain";
}

function hasFailed({ type, data }: RunEvent): boolean {
  if (type === "effect.outcome") return data["status"] !== "ok";
  if (type === "child.finished") return data["state"] !== "succeeded";
  return type === "approval.decided" && data["approved"] === false;
}
