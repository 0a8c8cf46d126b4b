import { type FormEvent, useEffect, useState } from "react";
import { ApiClient } from "../api/client";
import { ApiProblem, asProblem } from "../api/problem";
import { listRuns } from "../api/runs";
import { listProviders, type Provider, signInAddress } from "../api/session";
import { PageTitle } from "../parts/PageTitle";
import { ProblemBox } from "../parts/ProblemBox";
import type { Credentials } from "../state/credentials";

/** Leads to the identity providers, or asks for a token, and lets in whoever has one that works. */
export function SignIn({ notice, onSignIn }: { notice: string; onSignIn: (credentials: Credentials) => void }) {
  const [problem, setProblem] = useState<ApiProblem>();
  const [busy, setBusy] = useState(false);
  const [providers, setProviders] = useState<Provider[]>([]);

  useEffect(() => {
    const gone = new AbortController();
    void listProviders(gone.signal).then(setProviders);
    return () => gone.abort();
  }, []);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const credentials = { token: text(form, "token"), tenant: text(form, "tenant") };
    setBusy(true);
    try {
      await listRuns(new ApiClient(credentials.token, credentials.tenant), { limit: 1 });
      onSignIn(credentials);
    } catch (thrown) {
      setProblem(inWords(asProblem(thrown)));
      setBusy(false);
    }
  }

  return (
    <main className="signin">
      <form className="card" onSubmit={(event) => void submit(event)}>
        <img src={`${import.meta.env.BASE_URL}wheel.svg`} alt="" width="48" height="48" />
        <PageTitle name="Sign in">Quarterdeck</PageTitle>
        {notice && !problem && <p role="status">{notice}</p>}
        <ProblemBox problem={problem} />
        {providers.map((provider) => (
          <a key={provider.name} className="button" href={signInAddress(provider)}>
            Sign in with {provider.name}
          </a>
        ))}
        <label>
          Token
          <input name="token" type="password" required autoComplete="off" spellCheck={false} />
        </label>
        <label>
          Tenant
          <input name="tenant" defaultValue="default" required autoComplete="off" spellCheck={false} />
        </label>
        <button type="submit" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <p className="quiet">
          <code>qd up</code> prints the local token; it lies in <code>admin-token</code> in the data directory. It is
          kept in this tab alone and forgotten when you close it.
        </p>
      </form>
    </main>
  );
}

/** The gateway's hint is for programs; the form says below where a token is. */
function inWords(problem: ApiProblem): ApiProblem {
  return problem.status === 401 ? new ApiProblem({ status: 401, detail: "This token is not valid." }) : problem;
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value.trim() : "";
}
