import { useState } from "react";
import { listRuns } from "../../api/runs";
import { RUN_STATES, type RunState } from "../../api/types";
import { ProblemBox } from "../../parts/ProblemBox";
import { RunsTable } from "../../parts/RunsTable";
import { useClient } from "../../state/clientContext";
import { usePolling } from "../../state/usePolling";

const REFRESH_MS = 4000;
const FIRST = 8;
const MOST = 500;

/** The runs that a run started. Nothing is shown for a run without any. */
export function ChildRuns({ parent }: { parent: string }) {
  const client = useClient();
  const [state, setState] = useState<RunState>();
  const [limit, setLimit] = useState(FIRST);
  const { value, problem } = usePolling(
    `children ${parent} ${state ?? ""} ${limit}`,
    (signal) => listRuns(client, { parent, state, limit }, signal),
    REFRESH_MS,
  );
  if (!state && !value?.items.length) return null;
  return (
    <section aria-labelledby="children">
      <div className="head">
        <h2 id="children">Child runs</h2>
        <StateChoice state={state} onChange={setState} />
      </div>
      {/* That the gateway is away, the page says already. */}
      {problem && !problem.passes && <ProblemBox problem={problem} />}
      {value && value.items.length > 0 && <RunsTable runs={value.items} label="Child runs" />}
      {value?.items.length === 0 && <p className="empty">No child run is {state}.</p>}
      {value?.continue && limit < MOST && (
        <button type="button" className="plain" onClick={() => setLimit(Math.min(MOST, limit * 8))}>
          Show more
        </button>
      )}
    </section>
  );
}

function StateChoice({ state, onChange }: { state: RunState | undefined; onChange: (state?: RunState) => void }) {
  return (
    <label className="inline">
      State{" "}
      <select
        value={state ?? ""}
        onChange={(event) => onChange(RUN_STATES.find((one) => one === event.currentTarget.value))}
      >
        <option value="">any</option>
        {RUN_STATES.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </label>
  );
}
