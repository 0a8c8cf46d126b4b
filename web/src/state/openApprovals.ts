import { createContext, useContext } from "react";
import type { Approval, Run } from "../api/types";

/** Who waits: the open approvals of the tenant, `undefined` until they are known. */
export const OpenApprovalsContext = createContext<readonly Approval[] | undefined>(undefined);

export function useOpenApprovals(): readonly Approval[] | undefined {
  return useContext(OpenApprovalsContext);
}

/** Returns how many approvals are open in a run and in all runs below it, as far as it is known. */
export function openIn(run: Run, open: readonly Approval[] | undefined): number {
  const below = open?.filter((approval) => approval.runId === run.id || approval.rootRunId === run.id).length ?? 0;
  return Math.max(below, run.openApprovals);
}
