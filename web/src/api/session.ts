import { parseJson } from "./json";

/** An identity provider where people sign in. */
export interface Provider {
  name: string;
}

/** Who the browser's session says is here. */
export interface Visitor {
  principal: string;
  /** The only tenant where they may do anything; null: any. */
  tenant: string | null;
}

const AUTH = "/api/v1/auth";

/** Returns where people may sign in; nowhere if that cannot be asked. */
export async function listProviders(signal: AbortSignal): Promise<Provider[]> {
  const found = (await read("/providers", signal)) as { items: Provider[] } | undefined;
  return found?.items ?? [];
}

/** Returns who is signed in in this browser, if anybody is. */
export async function findVisitor(signal: AbortSignal): Promise<Visitor | undefined> {
  return (await read("/whoami", signal)) as Visitor | undefined;
}

/** Returns the address at which a provider asks who one is; it leads back to the console. */
export function signInAddress(provider: Provider): string {
  const query = new URLSearchParams({ provider: provider.name, back: "/console/" });
  return `${AUTH}/login?${query.toString()}`;
}

/** Ends the browser's session; one that has ended already is no failure. */
export async function endSession(): Promise<void> {
  await fetch(`${AUTH}/logout`, { method: "POST", cache: "no-store" }).catch(() => undefined);
}

async function read(path: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(AUTH + path, { signal, cache: "no-store" }).catch(() => undefined);
  return response?.ok ? parseJson(await response.text()) : undefined;
}
