import { type FormEvent, useState } from "react";
import { decide } from "../../api/approvals";
import { type ApiProblem, asProblem } from "../../api/problem";
import type { Approval } from "../../api/types";
import { ProblemBox } from "../../parts/ProblemBox";
import { useClient } from "../../state/clientContext";
import { firstText, readAnswer, takesAnswer } from "./answer";
import { wording } from "./wording";

/** Approves or rejects what is shown, with a comment. */
export function DecisionForm({ approval, onDecided }: { approval: Approval; onDecided: () => void }) {
  const client = useClient();
  const [comment, setComment] = useState("");
  const [typed, setTyped] = useState(() => firstText(approval));
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem>();
  const words = wording(approval);
  const answer = readAnswer(approval, typed);

  async function send(approve: boolean): Promise<void> {
    setBusy(true);
    try {
      const dataHash = approval.dataHash ?? "";
      await decide(client, approval.id, { approve, comment, dataHash, answerJson: approve ? answer.json : undefined });
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
    setBusy(false);
    onDecided();
  }

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (answer.fault === undefined) void send(true);
  }

  return (
    <form className="card decision" onSubmit={submit}>
      <h2>Decide</h2>
      <ProblemBox problem={problem} />
      {takesAnswer(approval) && <AnswerField approval={approval} typed={typed} onChange={setTyped} fault={answer.fault} />}
      <label>
        Comment
        <textarea rows={2} value={comment} onChange={(event) => setComment(event.currentTarget.value)} />
      </label>
      <div className="buttons">
        <button type="submit" disabled={busy || answer.fault !== undefined}>
          {answer.json !== undefined && approval.source !== "question" ? `${words.approve} as edited` : words.approve}
        </button>
        <button type="button" className="danger" disabled={busy} onClick={() => void send(false)}>
          {words.reject}
        </button>
      </div>
    </form>
  );
}

interface FieldProps {
  approval: Approval;
  typed: string;
  onChange: (typed: string) => void;
  fault: string | undefined;
}

function AnswerField({ approval, typed, onChange, fault }: FieldProps) {
  const asks = approval.source === "question";
  const field = (
    <label>
      {asks ? "Answer" : "Data, as JSON"}
      <textarea
        className={asks ? "" : "code"}
        rows={asks ? 3 : Math.min(16, typed.split("\n").length + 1)}
        value={typed}
        spellCheck={asks}
        aria-invalid={fault !== undefined}
        aria-describedby="fault"
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </label>
  );
  return (
    <>
      {asks ? (
        field
      ) : (
        <details>
          <summary>Change what will be done</summary>
          {field}
        </details>
      )}
      <p id="fault" role="status" className="quiet">
        {fault}
      </p>
    </>
  );
}
