import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiClient } from "../src/api/client";
import { endSession, findVisitor, listProviders, signInAddress } from "../src/api/session";
import { ofSession } from "../src/state/credentials";

const SIGNAL = new AbortController().signal;

function answering(status: number, body: unknown) {
  const asked = vi.fn<typeof fetch>(async () => new Response(JSON.stringify(body), { status }));
  vi.stubGlobal("fetch", asked);
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

describe("sessions", () => {
  it("leads to a provider and back to the console", () => {
    const address = new URL(signInAddress({ name: "corp & co" }), "http://x");
    expect(address.pathname).toBe("/api/v1/auth/login");
    expect(Object.fromEntries(address.searchParams)).toEqual({ provider: "corp & co", back: "/console/" });
  });

  it("knows who is here", async () => {
    answering(200, { principal: "corp:anna", tenant: "acme" });
    expect((await findVisitor(SIGNAL))?.principal).toBe("corp:anna");
  });

  it("takes a refusal, and a gateway that is away, for nobody and nowhere", async () => {
    answering(401, { detail: "no" });
    expect(await findVisitor(SIGNAL)).toBeUndefined();
    vi.stubGlobal("fetch", vi.fn(() => Promise.reject(new TypeError("away"))));
    expect(await listProviders(SIGNAL)).toEqual([]);
    await expect(endSession()).resolves.toBeUndefined();
  });

  it("shows the only tenant that somebody may see", () => {
    expect(ofSession("acme")).toEqual({ token: "", tenant: "acme" });
    expect(ofSession(null).tenant).toBe("default");
  });

  it("sends a token where there is one, and nothing where a session says who it is", async () => {
    const asked = answering(200, {});
    await new ApiClient("", "acme").get("/runs");
    await new ApiClient("t", "acme").get("/runs");
    const sent = asked.mock.calls.map(([, init]) => new Headers(init?.headers).get("Authorization"));
    expect(sent).toEqual([null, "Bearer t"]);
  });
});
