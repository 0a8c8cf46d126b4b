// What the gateway answers: the parts of its OpenAPI document that the console reads.

export const RUN_STATES = [
  "pending",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
  "timed-out",
  "quarantined",
] as const;
export type RunState = (typeof RUN_STATES)[number];

export const APPROVAL_STATES = ["open", "approved", "rejected", "expired", "withdrawn"] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** An error as data: its class, a sentence, and where it happened. */
export interface RunError {
  class?: string;
  message?: string;
  node?: string;
}

/** A durable execution. Times are RFC 3339. */
export interface Run {
  id: string;
  kind: string;
  name: string;
  revision: string | null;
  state: RunState;
  reason: string | null;
  parentRunId: string | null;
  rootRunId: string | null;
  parentNode: string | null;
  itemIndex: number | null;
  labels: Record<string, string>;
  input: unknown;
  output: unknown;
  error: RunError | null;
  lastSeq: number;
  /** Millionths of a US dollar, finished children included. */
  costMicroUsd: number;
  tokens: number;
  principal: string | null;
  createdAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  openApprovals: number;
  trigger: string | null;
}

/** One entry of a journal; `seq` is 0 for what is live only. */
export interface RunEvent {
  runId: string;
  seq: number;
  type: string;
  at: string;
  data: Record<string, unknown>;
}

/** Something that waits for a person, or waited. */
export interface Approval {
  id: string;
  runId: string;
  rootRunId: string | null;
  node: string | null;
  source: "node" | "tool" | "question" | "effect" | null;
  title: string;
  summary: string | null;
  /** What will be done if approved. */
  data: unknown;
  dataHash: string | null;
  policy: string | null;
  state: ApprovalState;
  decidedBy: string | null;
  decidedAt: string | null;
  comment: string | null;
  answer: unknown;
  createdAt: string | null;
  expiresAt: string | null;
  editable: boolean;
}

/** A page of a list; `continue` asks for the next one. */
export interface Page<Item> {
  items: Item[];
  continue: string | null;
}

/** An error of the gateway (RFC 9457): what happened, where, and what to do. */
export interface ProblemBody {
  status: number;
  title: string;
  detail: string;
  reason: string;
  field?: string;
  hint?: string;
}
