import type { ProblemBody } from "./types";

/** An error that the gateway gave, or that kept us from reaching it (status 0). */
export class ApiProblem extends Error {
  readonly status: number;
  readonly hint: string;
  readonly reason: string;

  constructor(body: Partial<ProblemBody> & { status: number }) {
    super(body.detail || body.title || `the gateway answered ${body.status}`);
    this.name = "ApiProblem";
    this.status = body.status;
    this.hint = body.hint ?? "";
    this.reason = body.reason ?? "";
  }

  /** True if the same request may succeed later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** Returns what went wrong, whatever was thrown. */
export function asProblem(thrown: unknown): ApiProblem {
  if (thrown instanceof ApiProblem) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiProblem({
    status: 0,
    detail: `the gateway cannot be reached: ${detail}`,
    hint: "is the platform up? Start it with: make up",
  });
}

/** Returns the problem that a failed response carries. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const text = await response.text();
  try {
    return new ApiProblem({ ...(JSON.parse(text) as Partial<ProblemBody>), status: response.status });
  } catch {
    return new ApiProblem({ status: response.status, detail: text.slice(0, 300) });
  }
}

/** True if a request was given up on purpose. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "AbortError";
}
