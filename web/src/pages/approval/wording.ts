import type { Approval } from "../../api/types";

/** The words of a decision; they depend on who asks. */
export interface Wording {
  /** Heading of the data. */
  shown: string;
  approve: string;
  reject: string;
}

const BY_SOURCE: Record<string, Wording> = {
  node: { shown: "What will be done", approve: "Approve", reject: "Reject" },
  tool: { shown: "The tool will be called with", approve: "Approve the call", reject: "Reject" },
  question: { shown: "What the agent asks", approve: "Send answer", reject: "Decline to answer" },
  effect: { shown: "What may or may not have happened", approve: "Call it again", reject: "Give up" },
};

/** Returns the words for an approval. */
export function wording({ source }: Pick<Approval, "source">): Wording {
  return BY_SOURCE[source ?? "node"] ?? { shown: "What will be done", approve: "Approve", reject: "Reject" };
}
