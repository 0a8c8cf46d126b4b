import { getRun } from "../api/runs";
import type { Run } from "../api/types";
import { FollowStatus } from "../parts/FollowStatus";
import { PageTitle } from "../parts/PageTitle";
import { ProblemBox } from "../parts/ProblemBox";
import { Timeline } from "../parts/Timeline";
import { compact } from "../journal/text";
import { useClient } from "../state/clientContext";
import { useJournal } from "../state/useJournal";
import { usePolling } from "../state/usePolling";
import { ChildRuns } from "./run/ChildRuns";
import { RunApprovals } from "./run/RunApprovals";
import { RunHead } from "./run/RunHead";
import { RunResult } from "./run/RunResult";

const REFRESH_MS = 2000;

/** One run: what it is, what came of it, who it waits for, its children and its journal. */
export function RunPage({ id }: { id: string }) {
  const client = useClient();
  const { value: run, problem } = usePolling(`run ${id}`, (signal) => getRun(client, id, signal), REFRESH_MS);
  return (
    <main id="main">
      <PageTitle name={run ? run.name : "Run"} />
      <ProblemBox problem={problem} stale={run !== undefined} />
      {run && <ShownRun run={run} />}
    </main>
  );
}

function ShownRun({ run }: { run: Run }) {
  const { journal, status, problem } = useJournal(run.id);
  return (
    <>
      <RunHead run={run} />
      <RunApprovals run={run} />
      <RunResult run={run} />
      <ChildRuns parent={run.id} />
      <section aria-labelledby="journal">
        <div className="head">
          <h2 id="journal">Journal</h2>
          <FollowStatus status={status} />
        </div>
        {status === "failed" && <ProblemBox problem={problem} stale={journal.events.length > 0} />}
        <Timeline events={journal.events} />
        {journal.live && <p className="quiet">{compact(journal.live.data)}</p>}
      </section>
    </>
  );
}
