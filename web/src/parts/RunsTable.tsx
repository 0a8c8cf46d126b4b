import type { Run } from "../api/types";
import { count, counted, money } from "../format/amounts";
import { shortId } from "../format/ids";
import { age, duration, moment, secondsBetween } from "../format/time";
import { openIn, useOpenApprovals } from "../state/openApprovals";
import { href } from "../state/route";
import { useNow } from "../state/useNow";
import { StateBadge } from "./StateBadge";

/** Runs, one a row. */
export function RunsTable({ runs, label }: { runs: readonly Run[]; label: string }) {
  const now = useNow();
  return (
    <div className="scroll">
      <table aria-label={label}>
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Run</th>
            <th scope="col" className="number">Age</th>
            <th scope="col" className="number wide">Took</th>
            <th scope="col" className="number wide">Tokens</th>
            <th scope="col" className="number">Cost</th>
            <th scope="col" className="number">Approvals</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <RunRow key={run.id} run={run} now={now} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunRow({ run, now }: { run: Run; now: number }) {
  const approvals = openIn(run, useOpenApprovals());
  return (
    <tr>
      <td>
        <StateBadge state={run.state} />
      </td>
      <td className="main">
        <a href={href({ page: "run", id: run.id })}>{run.name}</a>
        {run.itemIndex !== null && <span className="quiet"> item {run.itemIndex}</span>}
        <span className="quiet id" title={run.id}>
          {" "}
          {shortId(run.id)}
        </span>
        {note(run) && <div className="quiet">{note(run)}</div>}
      </td>
      <td className="number" title={run.createdAt ? moment(run.createdAt) : undefined}>
        {age(run.createdAt, now)}
      </td>
      <td className="number wide">
        {run.startedAt ? duration(secondsBetween(run.startedAt, run.finishedAt, now)) : "–"}
      </td>
      <td className="number wide">{count(run.tokens)}</td>
      <td className="number">{money(run.costMicroUsd)}</td>
      <td className="number">
        {approvals > 0 ? <span className="asks" title={counted(approvals, "open approval")}>{count(approvals)}</span> : "–"}
      </td>
    </tr>
  );
}

function note(run: Run): string {
  return run.error?.message ?? run.reason ?? "";
}
