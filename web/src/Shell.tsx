import { type ReactNode, useMemo } from "react";
import { listApprovals } from "./api/approvals";
import { ApiClient } from "./api/client";
import { count } from "./format/amounts";
import { ApprovalPage } from "./pages/ApprovalPage";
import { ApprovalsPage } from "./pages/ApprovalsPage";
import { RunPage } from "./pages/RunPage";
import { RunsPage } from "./pages/RunsPage";
import { ClientContext } from "./state/clientContext";
import type { Credentials } from "./state/credentials";
import { OpenApprovalsContext } from "./state/openApprovals";
import { href, parseRoute, type Route } from "./state/route";
import { usePolling } from "./state/usePolling";
import { useHash } from "./state/useRoute";

const REFRESH_MS = 3000;

interface ShellProps {
  credentials: Credentials;
  onRefused: () => void;
  onSignOut: () => void;
}

/** What surrounds every page: who is signed in, where one can go, what waits. */
export function Shell({ credentials, onRefused, onSignOut }: ShellProps) {
  const { token, tenant } = credentials;
  const client = useMemo(() => new ApiClient(token, tenant, onRefused), [token, tenant, onRefused]);
  const open = usePolling(
    "open approvals",
    (signal) => listApprovals(client, { state: "open", limit: 500 }, signal),
    REFRESH_MS,
  );
  const route = parseRoute(useHash());
  return (
    <ClientContext value={client}>
      <OpenApprovalsContext value={open.value?.items}>
        <a className="skip" href="#main" onClick={skip}>
          Skip to the content
        </a>
        <Bar route={route} waiting={open.value?.items.length ?? 0} tenant={tenant} onSignOut={onSignOut} />
        {page(route, open.refresh)}
      </OpenApprovalsContext>
    </ClientContext>
  );
}

/** The address behind "#" is the route, so the link must not change it. */
function skip(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("main h1")?.focus();
}

function page(route: Route, onDecided: () => void): ReactNode {
  switch (route.page) {
    case "runs":
      return <RunsPage state={route.state} all={route.all} />;
    case "run":
      return <RunPage key={route.id} id={route.id} />;
    case "approvals":
      return <ApprovalsPage state={route.state} />;
    case "approval":
      return <ApprovalPage key={route.id} id={route.id} onDecided={onDecided} />;
  }
}

interface BarProps {
  route: Route;
  waiting: number;
  tenant: string;
  onSignOut: () => void;
}

function Bar({ route, waiting, tenant, onSignOut }: BarProps) {
  const inRuns = route.page === "runs" || route.page === "run";
  return (
    <header>
      <img src={`${import.meta.env.BASE_URL}wheel.svg`} alt="" width="24" height="24" />
      <strong>Quarterdeck</strong>
      <nav aria-label="Console">
        <a href={href({ page: "runs", all: false })} aria-current={inRuns ? "page" : undefined}>
          Runs
        </a>
        <a href={href({ page: "approvals", state: "open" })} aria-current={inRuns ? undefined : "page"}>
          Approvals {waiting > 0 && <span className="asks">{count(waiting)}</span>}
        </a>
      </nav>
      <span className="tenant quiet">tenant {tenant}</span>
      <button type="button" className="plain" onClick={onSignOut}>
        Sign out
      </button>
    </header>
  );
}
