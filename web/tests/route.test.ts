import { describe, expect, it } from "vitest";
import { search } from "../src/api/client";
import { href, parseRoute, type Route } from "../src/state/route";

const ROUTES: Route[] = [
  { page: "runs", state: undefined, all: false },
  { page: "runs", state: "timed-out", all: true },
  { page: "run", id: "01a1/x?y#z %" },
  { page: "approvals", state: "open" },
  { page: "approvals", state: "rejected" },
  { page: "approval", id: "a1" },
];

describe("routes", () => {
  it.each(ROUTES)("survives the address: %j", (route) => {
    expect(parseRoute(href(route))).toEqual(route);
  });

  it.each(["", "#", "#/nowhere", "#/runs?state=sleeping"])("%j leads to the runs", (hash) => {
    expect(parseRoute(hash)).toEqual({ page: "runs", state: undefined, all: false });
  });

  it("takes a broken escape as it stands", () => {
    expect(parseRoute("#/runs/%zz")).toEqual({ page: "run", id: "%zz" });
  });
});

describe("search", () => {
  it("leaves out what is not asked for", () => {
    expect(search({})).toBe("");
    expect(search({ state: undefined, roots: false, parent: "", limit: 5, name: "a&b" })).toBe("?limit=5&name=a%26b");
  });
});
