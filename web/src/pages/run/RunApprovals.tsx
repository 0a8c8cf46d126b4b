import type { Run } from "../../api/types";
import { counted } from "../../format/amounts";
import { href } from "../../state/route";
import { useOpenApprovals } from "../../state/openApprovals";

const SHOWN = 5;

/** The approvals that are open in a run and below it. */
export function RunApprovals({ run }: { run: Run }) {
  const open = useOpenApprovals()?.filter(({ runId, rootRunId }) => runId === run.id || rootRunId === run.id) ?? [];
  if (open.length === 0) return null;
  return (
    <section className="card waits" aria-labelledby="waits">
      <h2 id="waits">{counted(open.length, "open approval")}</h2>
      <ul>
        {open.slice(0, SHOWN).map((approval) => (
          <li key={approval.id}>
            <a href={href({ page: "approval", id: approval.id })}>{approval.title}</a>
          </li>
        ))}
      </ul>
      {open.length > SHOWN && <a href={href({ page: "approvals", state: "open" })}>All open approvals</a>}
    </section>
  );
}
