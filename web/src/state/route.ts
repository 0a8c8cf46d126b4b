import { APPROVAL_STATES, type ApprovalState, RUN_STATES, type RunState } from "../api/types";

/** Where the reader is. It stands in the part of the address behind "#", so it can be kept and sent. */
export type Route =
  | { page: "runs"; state?: RunState | undefined; all: boolean }
  | { page: "run"; id: string }
  | { page: "approvals"; state: ApprovalState }
  | { page: "approval"; id: string };

/** Returns the route of an address; what is not known leads to the list of runs. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [section, id] = path.split("/", 2);
  const given = new URLSearchParams(query);
  const state = given.get("state");
  if (section === "approvals") {
    return id ? { page: "approval", id: decode(id) } : { page: "approvals", state: one(APPROVAL_STATES, state) ?? "open" };
  }
  if (section === "runs" && id) return { page: "run", id: decode(id) };
  return { page: "runs", state: one(RUN_STATES, state), all: given.has("all") };
}

/** Returns the address of a route. */
export function href(route: Route): string {
  switch (route.page) {
    case "run":
      return `#/runs/${encodeURIComponent(route.id)}`;
    case "approval":
      return `#/approvals/${encodeURIComponent(route.id)}`;
    case "approvals":
      return route.state === "open" ? "#/approvals" : `#/approvals?state=${route.state}`;
    case "runs": {
      const query = [route.state && `state=${route.state}`, route.all && "all"].filter(Boolean).join("&");
      return query ? `#/runs?${query}` : "#/runs";
    }
  }
}

function one<Word extends string>(words: readonly Word[], given: string | null): Word | undefined {
  return words.find((word) => word === given);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
