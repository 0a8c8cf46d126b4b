import { useEffect, useState } from "react";
import { follow, type FollowStatus } from "../api/follow";
import type { ApiProblem } from "../api/problem";
import { streamRun } from "../api/runs";
import type { RunEvent } from "../api/types";
import { append, EMPTY, type Journal } from "../journal/append";
import { useClient } from "./clientContext";

/** A burst of events is shown at once, not each with a rendering of its own. */
const BURST_MS = 60;

export interface FollowedJournal {
  journal: Journal;
  status: FollowStatus;
  problem: ApiProblem | undefined;
}

/** Follows the journal of a run for as long as it is on the screen. The caller gives it a `key` by run. */
export function useJournal(runId: string): FollowedJournal {
  const client = useClient();
  const [journal, setJournal] = useState<Journal>(EMPTY);
  const [connection, setConnection] = useState<{ status: FollowStatus; problem?: ApiProblem }>({ status: "connecting" });

  useEffect(() => {
    const stop = new AbortController();
    let arrived: RunEvent[] = [];
    let timer = 0;
    const flush = () => {
      const batch = arrived;
      arrived = [];
      timer = 0;
      setJournal((before) => append(before, batch));
    };
    setJournal(EMPTY);
    void follow({
      open: (lastId, signal) => streamRun(client, runId, lastId, signal),
      onEvent: (event) => {
        arrived.push(event);
        timer ||= window.setTimeout(flush, BURST_MS);
      },
      onStatus: (status, problem) => setConnection({ status, ...(problem && { problem }) }),
      signal: stop.signal,
    });
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [client, runId]);

  return { journal, status: connection.status, problem: connection.problem };
}
