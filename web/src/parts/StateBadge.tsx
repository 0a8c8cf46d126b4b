import type { ApprovalState, RunState } from "../api/types";

/** A state as a word with a colour; the word alone says it too. */
export function StateBadge({ state }: { state: RunState | ApprovalState }) {
  return <span className={`badge badge-${state}`}>{state}</span>;
}
