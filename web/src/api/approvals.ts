import type { ApiClient } from "./client";
import type { Approval, ApprovalState, Page, Run } from "./types";

export interface ApprovalFilter {
  state?: ApprovalState | undefined;
  /** This run and every run below it. */
  run?: string;
  limit: number;
}

/** Lists approvals. */
export function listApprovals(
  client: ApiClient,
  filter: ApprovalFilter,
  signal?: AbortSignal,
): Promise<Page<Approval>> {
  return client.get("/approvals", { ...filter }, signal);
}

/** Reads an approval. */
export function getApproval(client: ApiClient, id: string, signal?: AbortSignal): Promise<Approval> {
  return client.get(`/approvals/${encodeURIComponent(id)}`, {}, signal);
}

export interface Decision {
  approve: boolean;
  comment: string;
  /** The hash of the data that was on the screen: the decision holds for that alone. */
  dataHash: string;
  /** JSON text that replaces the data, or answers a question; undefined: as it is. */
  answerJson?: string | undefined;
}

/** Returns a decision's body. The answer goes in as written, so that no digit of it is lost. */
export function decisionBody({ answerJson, ...rest }: Decision): string {
  const body = JSON.stringify(rest);
  return answerJson === undefined ? body : `${body.slice(0, -1)},"answer":${answerJson}}`;
}

/** Approves or rejects, once; a second decision is refused. */
export function decide(
  client: ApiClient,
  id: string,
  decision: Decision,
): Promise<{ approval: Approval; run: Run | null }> {
  return client.post(`/approvals/${encodeURIComponent(id)}/decision`, decisionBody(decision));
}
