import type { Run } from "../../api/types";
import { errorText } from "../../journal/text";
import { DataView, JsonText } from "../../parts/DataView";
import { Disclosure } from "../../parts/Disclosure";

/** What a run was given, what came out, and what went wrong. */
export function RunResult({ run }: { run: Run }) {
  return (
    <>
      {run.error && (
        <section className="problem" aria-label="Error">
          <p>{errorText(run.error)}</p>
          <Disclosure label="Exact error">{() => <JsonText value={run.error} />}</Disclosure>
        </section>
      )}
      <div className="pair">
        <section className="card" aria-labelledby="input">
          <h2 id="input">Input</h2>
          <DataView value={run.input} />
        </section>
        <section className="card" aria-labelledby="output">
          <h2 id="output">Output</h2>
          {run.finishedAt || run.output !== null ? <DataView value={run.output} /> : <span className="quiet">not yet</span>}
        </section>
      </div>
    </>
  );
}
