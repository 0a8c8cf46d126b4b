import { describe, expect, it } from "vitest";
import { backoff, follow, type FollowStatus } from "../src/api/follow";
import { ApiProblem } from "../src/api/problem";
import type { RunEvent } from "../src/api/types";

type Answer = string | Error;

function event(seq: number, type = "step.started"): string {
  return `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ runId: "r", seq, type, at: "", data: {} })}\n\n`;
}

/** Follows a run whose stream answers as given, one answer a connection. */
async function followed(answers: Answer[], stopAfter = Number.POSITIVE_INFINITY) {
  const asked: string[] = [];
  const seen: number[] = [];
  const statuses: FollowStatus[] = [];
  const waits: number[] = [];
  let problem: ApiProblem | undefined;
  const stop = new AbortController();
  await follow({
    signal: stop.signal,
    open: async (lastId) => {
      asked.push(lastId);
      const answer = answers[asked.length - 1];
      if (answer === undefined) throw new Error("asked more often than expected");
      if (answer instanceof Error) throw answer;
      return new Blob([answer]).stream();
    },
    onEvent: (arrived: RunEvent) => {
      seen.push(arrived.seq);
      if (seen.length >= stopAfter) stop.abort();
    },
    onStatus: (status, why) => {
      statuses.push(status);
      problem = why;
    },
    wait: async (ms) => {
      waits.push(ms);
    },
  });
  return { asked, seen, statuses, waits, problem };
}

describe("follow", () => {
  it("ends with the run", async () => {
    const { asked, seen, statuses } = await followed([event(1) + event(2, "run.succeeded")]);
    expect(asked).toEqual([""]);
    expect(seen).toEqual([1, 2]);
    expect(statuses).toEqual(["connecting", "live", "ended"]);
  });

  it("comes back behind the last event that has an id", async () => {
    const delta = 'event: model.delta\ndata: {"seq":0,"type":"model.delta","data":{}}\n\n';
    const cut = `${event(3).slice(0, -4)}`;
    const { asked, seen, statuses } = await followed([event(1) + event(2) + delta + cut, event(3, "run.failed")]);
    expect(asked).toEqual(["", "2"]);
    expect(seen).toEqual([1, 2, 0, 3]);
    expect(statuses).toEqual(["connecting", "live", "reconnecting", "live", "ended"]);
  });

  it("waits longer from failure to failure, and less again once something came", async () => {
    const away = new ApiProblem({ status: 503 });
    const { waits, asked } = await followed([away, new TypeError("no network"), event(1), away, event(2, "run.cancelled")]);
    expect(waits).toEqual([1000, 2000, 1000, 2000]);
    expect(asked).toEqual(["", "", "", "1", "1"]);
  });

  it("takes the server's word for the first wait", async () => {
    const { waits } = await followed([`retry: 200\n\n${event(1)}`, event(2, "run.timed-out")]);
    expect(waits).toEqual([200]);
  });

  it("comes back after an error in mid-stream that may pass", async () => {
    const error = 'event: error\ndata: {"status":503,"detail":"the runtime is away"}\n\n';
    const { asked, statuses } = await followed([event(1) + error, event(2, "run.succeeded")]);
    expect(asked).toEqual(["", "1"]);
    expect(statuses).toContain("reconnecting");
  });

  it("gives up on an error that will not pass", async () => {
    const { asked, statuses, problem } = await followed([new ApiProblem({ status: 404, detail: "no run" })]);
    expect(asked).toHaveLength(1);
    expect(statuses.at(-1)).toBe("failed");
    expect(problem?.message).toBe("no run");
  });

  it("stops when nobody looks any more", async () => {
    const { asked, statuses } = await followed([event(1) + event(2)], 1);
    expect(asked).toHaveLength(1);
    expect(statuses).toEqual(["connecting", "live"]);
  });
});

describe("backoff", () => {
  it("doubles up to a quarter of a minute", () => {
    expect([1, 2, 3, 4, 5, 20].map((failures) => backoff(failures))).toEqual([1000, 2000, 4000, 8000, 15000, 15000]);
  });
});
