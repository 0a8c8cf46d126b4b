import type { RunEvent } from "../api/types";
import { count } from "../format/amounts";

/** A row of the time line: one event, or several of the same map's progress. */
export interface Row {
  events: [RunEvent, ...RunEvent[]];
  /** How far the map is after this row; undefined for a row of one ordinary event. */
  progress?: Progress;
}

export interface Progress {
  step: string;
  done: number;
  failed: number;
  total: number;
}

const PROGRESS = new Set(["children.started", "children.progress"]);

/** Folds neighbouring progress events of the same step; a map of thousands is then one row. */
export function fold(events: readonly RunEvent[]): Row[] {
  const rows: Row[] = [];
  const tallies = new Map<string, Progress>();
  for (const event of events) {
    if (!isProgress(event)) {
      rows.push({ events: [event] });
      continue;
    }
    const progress = advance(tallies, event);
    const last = rows.at(-1);
    if (last?.progress?.step === progress.step) {
      last.events.push(event);
      last.progress = progress;
    } else {
      rows.push({ events: [event], progress });
    }
  }
  return rows;
}

/** A single child is no map: it keeps a row of its own. */
function isProgress({ type, data }: RunEvent): boolean {
  return PROGRESS.has(type) && !(type === "children.started" && data["total"] === 1);
}

function advance(tallies: Map<string, Progress>, { type, data }: RunEvent): Progress {
  const step = String(data["step"] ?? "");
  const begins = type === "children.started" && data["first"] === 0;
  const before = (!begins && tallies.get(step)) || { step, done: 0, failed: 0, total: 0 };
  const after =
    type === "children.started"
      ? { ...before, total: number(data["total"]) }
      : { ...before, done: before.done + number(data["done"]), failed: before.failed + number(data["failed"]) };
  tallies.set(step, after);
  return after;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Returns how far a map is: "match: 190 of 209 done, 2 failed". */
export function progressText({ step, done, failed, total }: Progress): string {
  return `${step}: ${count(done)} of ${count(total)} done${failed ? `, ${count(failed)} failed` : ""}`;
}
