import type { ApiClient } from "./client";
import type { Page, Run, RunState } from "./types";

export interface RunFilter {
  state?: RunState | undefined;
  parent?: string;
  /** Only runs that a client or a trigger started. */
  roots?: boolean;
  limit: number;
}

/** Lists runs, the newest first. */
export function listRuns(client: ApiClient, filter: RunFilter, signal?: AbortSignal): Promise<Page<Run>> {
  return client.get("/runs", { ...filter }, signal);
}

/** Reads a run. */
export function getRun(client: ApiClient, id: string, signal?: AbortSignal): Promise<Run> {
  return client.get(`/runs/${encodeURIComponent(id)}`, {}, signal);
}

/** Opens the journal of a run behind an event, then live until the run ends. */
export function streamRun(client: ApiClient, id: string, lastId: string, signal: AbortSignal) {
  return client.stream(`/runs/${encodeURIComponent(id)}/events`, lastId, signal);
}
