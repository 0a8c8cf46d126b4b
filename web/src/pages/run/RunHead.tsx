import type { Run } from "../../api/types";
import { Facts } from "../../parts/Facts";
import { StateBadge } from "../../parts/StateBadge";
import { count, money } from "../../format/amounts";
import { shortId } from "../../format/ids";
import { duration, moment, secondsBetween } from "../../format/time";
import { href } from "../../state/route";
import { useNow } from "../../state/useNow";

/** The facts of a run. */
export function RunHead({ run }: { run: Run }) {
  const now = useNow();
  return (
    <>
      <p className="lead">
        <StateBadge state={run.state} /> {run.reason}
      </p>
      <Facts
        facts={{
          Kind: run.kind,
          Run: <code>{run.id}</code>,
          Parent: run.parentRunId && <RunLink id={run.parentRunId} node={place(run)} />,
          Started: run.startedAt && moment(run.startedAt),
          Took: run.startedAt && duration(secondsBetween(run.startedAt, run.finishedAt, now)),
          Tokens: count(run.tokens),
          Cost: money(run.costMicroUsd),
          By: run.trigger ? `trigger ${run.trigger}` : run.principal,
          Labels: Object.entries(run.labels)
            .map(([name, value]) => `${name}=${value}`)
            .join(", "),
        }}
      />
    </>
  );
}

function RunLink({ id, node }: { id: string; node: string }) {
  return (
    <>
      <a href={href({ page: "run", id })}>{shortId(id)}</a> {node}
    </>
  );
}

function place(run: Run): string {
  const item = run.itemIndex === null ? "" : `, item ${run.itemIndex}`;
  return run.parentNode ? `at ${run.parentNode}${item}` : "";
}
