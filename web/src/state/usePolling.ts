import { useCallback, useEffect, useState } from "react";
import { type ApiProblem, asProblem, isAbort } from "../api/problem";

export interface Polled<Value> {
  /** The newest answer; stays while later attempts fail. */
  value: Value | undefined;
  /** Why the last attempt failed. */
  problem: ApiProblem | undefined;
  /** Asks again now. */
  refresh: () => void;
}

/**
 * Asks again and again while the page can be seen.
 *
 * `key` says what is asked for: when it changes, the old answer is dropped. `everyMs` 0: ask once.
 */
export function usePolling<Value>(
  key: string,
  load: (signal: AbortSignal) => Promise<Value>,
  everyMs: number,
): Polled<Value> {
  const [state, setState] = useState<{ key: string; value?: Value; problem?: ApiProblem }>({ key });
  const [asked, setAsked] = useState(0);
  const refresh = useCallback(() => setAsked((times) => times + 1), []);

  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    async function ask(): Promise<void> {
      if (!document.hidden) await once();
      if (everyMs && !stop.signal.aborted) timer = window.setTimeout(() => void ask(), everyMs);
    }
    async function once(): Promise<void> {
      try {
        const value = await load(stop.signal);
        if (!stop.signal.aborted) setState({ key, value });
      } catch (thrown) {
        if (isAbort(thrown) || stop.signal.aborted) return;
        setState((before) => ({ ...(before.key === key ? before : {}), key, problem: asProblem(thrown) }));
      }
    }
    const onShown = () => document.hidden || refresh();
    document.addEventListener("visibilitychange", onShown);
    void ask();
    return () => {
      stop.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", onShown);
    };
    // `load` is a new function at every rendering; `key` stands for what it asks.
  }, [key, everyMs, asked, refresh]);

  const current = state.key === key ? state : undefined;
  return { value: current?.value, problem: current?.problem, refresh };
}
