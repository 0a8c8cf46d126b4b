import { getRun } from "../../api/runs";
import { DataView } from "../../parts/DataView";
import { ProblemBox } from "../../parts/ProblemBox";
import { useClient } from "../../state/clientContext";
import { href } from "../../state/route";
import { usePolling } from "../../state/usePolling";

/** What the run that asks is about: its input. */
export function About({ runId }: { runId: string }) {
  const client = useClient();
  const { value: run, problem } = usePolling(`about ${runId}`, (signal) => getRun(client, runId, signal), 0);
  return (
    <section className="card" aria-labelledby="about">
      <h2 id="about">What it is about</h2>
      <ProblemBox problem={problem} />
      {run && (
        <>
          <p>
            Input of <a href={href({ page: "run", id: run.id })}>{run.name}</a>, whose journal shows how it came to ask.
          </p>
          <DataView value={run.input} />
        </>
      )}
    </section>
  );
}
