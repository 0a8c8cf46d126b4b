import { listApprovals } from "../api/approvals";
import { APPROVAL_STATES, type Approval, type ApprovalState } from "../api/types";
import { age, moment } from "../format/time";
import { Choices } from "../parts/Choices";
import { PageTitle } from "../parts/PageTitle";
import { ProblemBox } from "../parts/ProblemBox";
import { useClient } from "../state/clientContext";
import { href } from "../state/route";
import { useNow } from "../state/useNow";
import { usePolling } from "../state/usePolling";

const REFRESH_MS = 2000;
const MOST = 500;

/** What waits for a person, and what has been decided. */
export function ApprovalsPage({ state }: { state: ApprovalState }) {
  const client = useClient();
  const { value, problem } = usePolling(
    `approvals ${state}`,
    (signal) => listApprovals(client, { state, limit: MOST }, signal),
    REFRESH_MS,
  );
  return (
    <main id="main">
      <PageTitle name="Approvals" />
      <Choices
        label="State"
        items={APPROVAL_STATES.map((one) => ({
          text: one,
          href: href({ page: "approvals", state: one }),
          chosen: one === state,
        }))}
      />
      <ProblemBox problem={problem} stale={value !== undefined} />
      {!value && !problem && <p className="quiet">Reading…</p>}
      {value?.items.length === 0 && <p className="empty">{state === "open" ? "Nothing waits for you." : `None is ${state}.`}</p>}
      {value && value.items.length > 0 && <ApprovalsTable approvals={value.items} decided={state !== "open"} />}
      {value?.continue && <p className="quiet">There are more than {MOST}; these come first.</p>}
    </main>
  );
}

function ApprovalsTable({ approvals, decided }: { approvals: readonly Approval[]; decided: boolean }) {
  const now = useNow();
  return (
    <div className="scroll">
      <table aria-label="Approvals">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col" className="wide">Policy</th>
            <th scope="col" className="number">Asked</th>
            {decided && <th scope="col" className="number wide">Decided by</th>}
          </tr>
        </thead>
        <tbody>
          {approvals.map((approval) => (
            <tr key={approval.id}>
              <td className="main">
                <a href={href({ page: "approval", id: approval.id })}>{approval.title}</a>
                {approval.summary && <div className="quiet">{approval.summary}</div>}
              </td>
              <td className="wide">{approval.policy ?? "–"}</td>
              <td className="number" title={approval.createdAt ? moment(approval.createdAt) : undefined}>
                {age(approval.createdAt, now)}
              </td>
              {decided && <td className="number wide">{approval.decidedBy ?? "–"}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
