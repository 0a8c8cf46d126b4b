import { parseJson } from "./json";
import { ApiProblem, asProblem, isAbort } from "./problem";
import { type Frame, SseParser } from "./sse";
import type { ProblemBody, RunEvent } from "./types";

/** EventSource cannot send a token, so the stream is read by fetch and resumed here. */
export interface FollowOptions {
  open: (lastId: string, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;
  onEvent: (event: RunEvent) => void;
  onStatus: (status: FollowStatus, problem?: ApiProblem) => void;
  signal: AbortSignal;
  /** Waits some milliseconds; ends early when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export type FollowStatus = "connecting" | "live" | "reconnecting" | "ended" | "failed";

const LAST_EVENTS = new Set(["run.succeeded", "run.failed", "run.cancelled", "run.timed-out"]);
const LONGEST_WAIT = 15_000;

/** Returns how long to wait before the next attempt, in milliseconds. */
export function backoff(failures: number, first = 1000): number {
  return Math.min(LONGEST_WAIT, first * 2 ** Math.max(0, failures - 1));
}

/** Follows a journal until the run ends, over as many connections as it takes. */
export async function follow(options: FollowOptions): Promise<void> {
  const { signal, onStatus, wait = pause } = options;
  const place: Place = { lastId: "", ended: false, failures: 0, retry: undefined };
  onStatus("connecting");
  while (!signal.aborted) {
    const problem = await readOnce(options, place);
    if (signal.aborted) return;
    if (place.ended) return onStatus("ended");
    if (problem && !problem.passes) return onStatus("failed", problem);
    place.failures += 1;
    onStatus("reconnecting", problem);
    await wait(backoff(place.failures, place.retry), signal);
  }
}

interface Place {
  lastId: string;
  ended: boolean;
  failures: number;
  retry: number | undefined;
}

async function readOnce(options: FollowOptions, place: Place): Promise<ApiProblem | undefined> {
  try {
    const body = await options.open(place.lastId, options.signal);
    options.onStatus("live");
    await readBody(body, options, place);
    return undefined;
  } catch (thrown) {
    return isAbort(thrown) ? undefined : asProblem(thrown);
  }
}

async function readBody(body: ReadableStream<Uint8Array>, options: FollowOptions, place: Place): Promise<void> {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      for (const frame of parser.push(decoder.decode(piece.value, { stream: true }))) take(frame, options, place);
      place.retry = parser.retry;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function take(frame: Frame, options: FollowOptions, place: Place): void {
  if (frame.event === "error") throw new ApiProblem(parseJson(frame.data) as ProblemBody);
  place.failures = 0;
  if (frame.id) place.lastId = frame.id;
  if (LAST_EVENTS.has(frame.event)) place.ended = true;
  options.onEvent(parseJson(frame.data) as RunEvent);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
