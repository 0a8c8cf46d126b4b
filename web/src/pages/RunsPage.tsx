import { useState } from "react";
import { listRuns } from "../api/runs";
import { RUN_STATES, type RunState } from "../api/types";
import { Choices } from "../parts/Choices";
import { PageTitle } from "../parts/PageTitle";
import { ProblemBox } from "../parts/ProblemBox";
import { RunsTable } from "../parts/RunsTable";
import { useClient } from "../state/clientContext";
import { href } from "../state/route";
import { usePolling } from "../state/usePolling";

const REFRESH_MS = 2000;
const PAGE = 50;
/** The gateway gives no more at once. */
const MOST = 500;

/** The runs of the tenant, the newest first. */
export function RunsPage({ state, all }: { state: RunState | undefined; all: boolean }) {
  const client = useClient();
  const [limit, setLimit] = useState(PAGE);
  const { value, problem } = usePolling(
    `runs ${state ?? ""} ${all} ${limit}`,
    (signal) => listRuns(client, { state, roots: !all, limit }, signal),
    REFRESH_MS,
  );
  return (
    <main id="main">
      <div className="head">
        <PageTitle name="Runs" />
        <Choices
          label="Which runs"
          items={[
            { text: "started by someone", href: href({ page: "runs", state, all: false }), chosen: !all },
            { text: "with child runs", href: href({ page: "runs", state, all: true }), chosen: all },
          ]}
        />
      </div>
      <Choices
        label="State"
        items={[undefined, ...RUN_STATES].map((one) => ({
          text: one ?? "any state",
          href: href({ page: "runs", state: one, all }),
          chosen: one === state,
        }))}
      />
      <ProblemBox problem={problem} stale={value !== undefined} />
      {!value && !problem && <p className="quiet">Reading…</p>}
      {value?.items.length === 0 && <Nothing state={state} />}
      {value && value.items.length > 0 && <RunsTable runs={value.items} label="Runs" />}
      {value?.continue && limit < MOST && (
        <button type="button" className="plain" onClick={() => setLimit(Math.min(MOST, limit * 3))}>
          Show more
        </button>
      )}
      {value?.continue && limit >= MOST && <p className="quiet">These are the newest {MOST}. Filter to see others.</p>}
    </main>
  );
}

function Nothing({ state }: { state: RunState | undefined }) {
  if (state) return <p className="empty">No run is {state}.</p>;
  return (
    <p className="empty">
      Nothing has run yet. Type <code>qd demo</code> or <code>qd run WORKFLOW</code> in a terminal.
    </p>
  );
}
