import { formatJson, jsonFault } from "../../api/json";
import type { Approval } from "../../api/types";

/** What a person typed, as the gateway takes it: JSON text, or undefined to leave the data as it is. */
export type Answer = { json: string | undefined; fault?: never } | { fault: string; json?: never };

/** Returns the text that the field of an approval begins with. */
export function firstText(approval: Pick<Approval, "source" | "data">): string {
  return approval.source === "question" ? "" : formatJson(approval.data);
}

/** True if a person may say more than yes or no. */
export function takesAnswer(approval: Pick<Approval, "source" | "editable">): boolean {
  return approval.source === "question" || approval.editable;
}

/** Reads the field: a question's answer is plain text, edited data must be JSON. */
export function readAnswer(approval: Pick<Approval, "source" | "data" | "editable">, typed: string): Answer {
  if (!takesAnswer(approval)) return { json: undefined };
  if (approval.source === "question") {
    return typed.trim() ? { json: JSON.stringify(typed.trim()) } : { fault: "type an answer first" };
  }
  if (typed === firstText(approval)) return { json: undefined };
  const fault = jsonFault(typed);
  return fault ? { fault: `this is not JSON: ${fault}` } : { json: typed };
}
