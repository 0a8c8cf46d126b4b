import { getApproval } from "../api/approvals";
import type { Approval } from "../api/types";
import { moment } from "../format/time";
import { DataView, JsonText } from "../parts/DataView";
import { Disclosure } from "../parts/Disclosure";
import { Facts } from "../parts/Facts";
import { PageTitle } from "../parts/PageTitle";
import { ProblemBox } from "../parts/ProblemBox";
import { StateBadge } from "../parts/StateBadge";
import { useClient } from "../state/clientContext";
import { useOpenApprovals } from "../state/openApprovals";
import { href } from "../state/route";
import { usePolling } from "../state/usePolling";
import { About } from "./approval/About";
import { DecisionForm } from "./approval/DecisionForm";
import { wording } from "./approval/wording";

const REFRESH_MS = 3000;

/** One approval: what will be done, why it asks, and the decision. */
export function ApprovalPage({ id, onDecided }: { id: string; onDecided: () => void }) {
  const client = useClient();
  const { value: approval, problem, refresh } = usePolling(
    `approval ${id}`,
    (signal) => getApproval(client, id, signal),
    REFRESH_MS,
  );
  const decided = () => {
    refresh();
    onDecided();
  };
  return (
    <main id="main">
      <PageTitle name={approval ? approval.title : "Approval"} />
      <ProblemBox problem={problem} stale={approval !== undefined} />
      {approval && <ShownApproval key={approval.id} approval={approval} onDecided={decided} />}
    </main>
  );
}

function ShownApproval({ approval, onDecided }: { approval: Approval; onDecided: () => void }) {
  return (
    <>
      <p className="lead">
        <StateBadge state={approval.state} /> {approval.summary}
      </p>
      <Facts
        facts={{
          Asked: approval.createdAt && moment(approval.createdAt),
          "Decide until": approval.state === "open" && approval.expiresAt ? moment(approval.expiresAt) : null,
          Policy: approval.policy,
          Step: approval.node,
        }}
      />
      <div className="pair">
        <section className="card" aria-labelledby="shown">
          <h2 id="shown">{wording(approval).shown}</h2>
          <DataView value={approval.data} />
          <Disclosure label="Exact data">{() => <JsonText value={approval.data} />}</Disclosure>
        </section>
        <About runId={approval.runId} />
      </div>
      {approval.state === "open" ? (
        <DecisionForm approval={approval} onDecided={onDecided} />
      ) : (
        <DecisionMade approval={approval} />
      )}
    </>
  );
}

function DecisionMade({ approval }: { approval: Approval }) {
  const next = useOpenApprovals()?.find((other) => other.id !== approval.id);
  return (
    <section className="card" aria-label="Decision" role="status">
      <Facts
        facts={{
          Decision: approval.state,
          By: approval.decidedBy,
          At: approval.decidedAt && moment(approval.decidedAt),
          Comment: approval.comment,
          Answer: approval.answer === null ? null : <DataView value={approval.answer} />,
        }}
      />
      {next ? (
        <a className="button" href={href({ page: "approval", id: next.id })}>
          Next: {next.title}
        </a>
      ) : (
        <p className="quiet">Nothing else waits for you.</p>
      )}
    </section>
  );
}
