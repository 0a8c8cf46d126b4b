import type { ApiProblem } from "../api/problem";

/** What went wrong, and what to do about it. */
export function ProblemBox({ problem, stale = false }: { problem: ApiProblem | undefined; stale?: boolean }) {
  if (!problem) return null;
  return (
    <div className="problem" role="alert">
      <p>{problem.message}</p>
      {problem.hint && <p className="quiet">{problem.hint}</p>}
      {stale && <p className="quiet">What you see below may be old.</p>}
    </div>
  );
}
